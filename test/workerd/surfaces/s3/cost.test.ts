import { beforeAll, describe, expect, test } from 'vitest';
import { addUser, type CountedClients, countedClients, HOST, USER, userOf } from '../../support/counted-clients.ts';
import type { CountedAnswer, RequestCost } from '../../support/counted-service.ts';
import { database } from '../../support/database.ts';

/** What requests of S3 ask of the bindings, beside the same requests of keep-web: the signature costs nothing there. */

const BODY = 'x'.repeat(1024);
const KEYS = 20_000;

let clients: CountedClients;

beforeAll(async () => {
  clients = await countedClients();
});

const HEADERS = { 'Content-Length': String(BODY.length), 'Content-Type': 'text/plain' };
const NOTHING: RequestCost = { d1: 0, statements: 0, r2: 0, objects: 0, rowsRead: 0, rowsWritten: 0 };
/** S3 keeps type, metadata and time with an object, backed up before the answer: WebDAV would need PROPPATCH for that. */
const METADATA: RequestCost = { d1: 1, statements: 3, r2: 1, objects: 0, rowsRead: 9, rowsWritten: 4 };

describe('a request of S3 costs at most what the same request of keep-web costs', () => {
  let uuid: string;
  let other: string;

  beforeAll(async () => {
    uuid = await clients.collectionOf('');
    other = await clients.collectionOf('');
    await clients.s3('PUT', `${uuid}/a`, { body: BODY, headers: HEADERS });
    await clients.s3('PUT', `${other}/source`, { body: BODY, headers: HEADERS });
    for (const key of ['gone-1', 'gone-2']) await clients.s3('PUT', `${uuid}/${key}`, { body: BODY, headers: HEADERS });
  });

  const body = (first: string) => ({ body: first + BODY.slice(1), headers: HEADERS });
  // Of the two DELETEs the first one finds a row more in the collection.
  const each: [
    string,
    Partial<RequestCost>,
    RequestCost,
    () => Promise<CountedAnswer>,
    () => Promise<CountedAnswer>,
  ][] = [
    [
      'GET',
      { d1: 1, r2: 1, objects: 0 },
      NOTHING,
      () => clients.s3('GET', `${uuid}/a`),
      () => clients.web('GET', `${uuid}/a`),
    ],
    [
      'HEAD',
      { d1: 1, r2: 0, objects: 0 },
      NOTHING,
      () => clients.s3('HEAD', `${uuid}/a`),
      () => clients.web('HEAD', `${uuid}/a`),
    ],
    [
      'a list',
      { d1: 1, r2: 0, objects: 0 },
      NOTHING,
      () => clients.s3('GET', `${uuid}?list-type=2`),
      () => clients.web('PROPFIND', `${uuid}/`, { headers: { Depth: '1' } }),
    ],
    [
      'PUT',
      { d1: 4, objects: 1 },
      METADATA,
      () => clients.s3('PUT', `${uuid}/of-s3`, body('1')),
      () => clients.web('PUT', `${uuid}/of-web`, body('2')),
    ],
    [
      'a copy from another collection',
      { objects: 1 },
      // The source's metadata is looked up, too.
      { ...METADATA, d1: 2, rowsRead: 11 },
      () => clients.s3('PUT', `${uuid}/copy-of-s3`, { headers: { 'x-amz-copy-source': `/${other}/source` } }),
      () => clients.web('COPY', `${other}/source`, { headers: { Destination: `${HOST}/c=${uuid}/copy-of-web` } }),
    ],
    [
      'DELETE',
      { objects: 1 },
      { ...NOTHING, rowsRead: 1 },
      () => clients.s3('DELETE', `${uuid}/gone-1`),
      () => clients.web('DELETE', `${uuid}/gone-2`),
    ],
  ];
  test.each(each)('%s', async (_, expected, more, ofS3, ofWeb) => {
    // What only the first reader of a state pays is no part of the comparison.
    if (expected.objects === 0) for (const first of [ofS3, ofWeb]) await first();
    const own = await ofS3();
    const others = await ofWeb();
    expect(own.answered).toMatchObject(expected);
    for (const what of ['d1', 'r2', 'objects', 'rowsRead', 'rowsWritten'] as const) {
      expect(own.answered[what], what).toBeLessThanOrEqual(others.answered[what] + more[what]);
      expect(own.done[what], what).toBeLessThanOrEqual(others.done[what] + more[what]);
    }
  });
});

test('a page of a list costs the same wherever it begins', async () => {
  const names = Array.from({ length: KEYS }, (_, i) => `0:0:key-${String(i).padStart(6, '0')}`);
  const uuid = await clients.collectionOf(`. d41d8cd98f00b204e9800998ecf8427e+0 ${names.join(' ')}\n`);
  await clients.s3('GET', `${uuid}?list-type=2`);
  const costs: RequestCost[] = [];
  let from = '';
  for (let page = 0; page < KEYS / 1000; page++) {
    const { text, done } = await clients.s3('GET', `${uuid}?list-type=2${from}`);
    costs.push(done);
    from = `&continuation-token=${encodeURIComponent(/<NextContinuationToken>(.*?)</.exec(text)?.[1] ?? '')}`;
    expect(text.match(/<Key>/g)?.length).toBe(1000);
  }
  expect(costs[0]).toMatchObject({ d1: 1, r2: 0, objects: 0 });
  for (const cost of costs) expect(cost).toEqual(costs[0]);
});

describe('a write that is not allowed is refused by the bucket, although no write opens it, and stores nothing:', () => {
  const OWNER = 'xedge-tpzed-bbbbbbbbbbbbbbb';
  const buckets = { hidden: '', readable: '', missing: 'xedge-4zz18-000000000000000' };

  beforeAll(async () => {
    await addUser(await database(), OWNER);
    buckets.hidden = await clients.collectionOf('', OWNER);
    buckets.readable = await clients.collectionOf('', OWNER);
    const grant = { link_class: 'permission', name: 'can_read', tail_uuid: USER, head_uuid: buckets.readable };
    const { api } = clients.service.deps;
    if (api?.mode !== 'embedded') throw new Error('there are no links');
    await api.links.create(grant, { ...userOf(OWNER), isAdmin: true });
  });

  test.each([
    ['hidden', 404, 'NoSuchBucket'],
    ['missing', 404, 'NoSuchBucket'],
    ['readable', 403, 'AccessDenied'],
  ] as const)('%s', async (name, status, code) => {
    const mine = await clients.collectionOf('');
    await clients.s3('PUT', `${mine}/a`, { body: BODY, headers: HEADERS });
    const bucket = buckets[name];
    const writes: [string, string, RequestInit?][] = [
      ['PUT', `${bucket}/x`, { body: BODY, headers: HEADERS }],
      ['PUT', `${bucket}/x`, { headers: { 'x-amz-copy-source': `/${mine}/a` } }],
      ['DELETE', `${bucket}/x`],
      ['POST', `${bucket}/x?uploads`],
    ];
    for (const [method, path, init] of writes) {
      const answer = await clients.service.ask(await clients.signed(method, path, init));
      expect([method, answer.status, /<Code>(.*?)</.exec(answer.text)?.[1]]).toEqual([method, status, code]);
      expect(answer.done.r2).toBe(0);
      // A Durable Object that was asked once stays for ever.
      expect(answer.done.objects).toBe(0);
      expect(answer.done.rowsWritten).toBe(0);
    }
  });
});
