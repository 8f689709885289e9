import { AwsClient } from 'aws4fetch';
import { beforeAll, describe, expect, test } from 'vitest';
import { hashSecret } from '../../../../src/accounts/tokens.ts';
import {
  type CountedAnswer,
  type CountedService,
  countedService,
  type RequestCost,
} from '../../support/counted-service.ts';
import { database, emptyDatabase } from '../../support/database.ts';

/** What requests of S3 ask of the bindings, beside the same requests of keep-web: the signature costs nothing there. */

const USER = 'xedge-tpzed-aaaaaaaaaaaaaaa';
const TOKEN = 'xedge-gj3su-aaaaaaaaaaaaaaa';
const SECRET = 'secretsecretsecretsecretsecretsecret';
const NOW = '2026-01-01T00:00:00.000000000Z';
const HOST = 'http://keep.test';
const BODY = 'x'.repeat(1024);
const KEYS = 20_000;

let service: CountedService;
let signer: AwsClient;

beforeAll(async () => {
  const db = await database();
  for (const table of ['tokens', 'collection_versions', 'file_metadata'])
    await db.prepare(`DELETE FROM ${table}`).run();
  await emptyDatabase(db);
  const times = [NOW, NOW, USER];
  await db.batch([
    db
      .prepare(
        'INSERT INTO users (uuid, owner_uuid, created_at, modified_at, modified_by_user_uuid, is_active) VALUES (?, ?, ?, ?, ?, 1)',
      )
      .bind(USER, 'xedge-tpzed-000000000000000', ...times),
    db
      .prepare(
        'INSERT INTO tokens (uuid, owner_uuid, secret_sha256, created_at, modified_at, modified_by_user_uuid) VALUES (?, ?, ?, ?, ?, ?)',
      )
      .bind(TOKEN, USER, await hashSecret(SECRET), ...times),
  ]);
  service = await countedService({ EDGE_CACHE: 'off', REPACK_IDLE: '0s', TOKEN_CACHE_TTL: '1h' });
  const pair = service.deps.s3?.keys.pairOf(TOKEN);
  if (!pair) throw new Error('the token has no key pair');
  signer = new AwsClient({
    accessKeyId: pair.accessKey,
    secretAccessKey: pair.secretKey,
    service: 's3',
    region: 'xedge',
  });
});

function embedded() {
  const { api } = service.deps;
  if (api?.mode !== 'embedded') throw new Error('there are no collections');
  return api;
}

const userOf = (uuid: string) => ({ uuid, isAdmin: false, isActive: true, username: 'a', fullName: '' });

async function collectionOf(text: string, owner = USER): Promise<string> {
  const api = embedded();
  const manifest = await api.collections.stage([new TextEncoder().encode(text)], null);
  const { record } = await api.collections.create({ attributes: {}, manifest }, userOf(owner));
  await service.countObject(String(record.uuid));
  return String(record.uuid);
}

/** As it would arrive: nothing on the way here adds the header. */
function withHost(request: Request): Request {
  request.headers.set('Host', new URL(HOST).host);
  return request;
}

async function asked(request: Request): Promise<CountedAnswer> {
  const answer = await service.ask(withHost(request));
  if (answer.status >= 300) throw new Error(`${request.method} ${request.url}: ${answer.status} ${answer.text}`);
  return answer;
}

function signed(method: string, path: string, init: RequestInit = {}): Promise<Request> {
  const headers = { 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD', ...(init.headers as Record<string, string>) };
  return signer.sign(`${HOST}/${path}`, { ...init, method, headers });
}

async function s3(method: string, path: string, init: RequestInit = {}) {
  return asked(await signed(method, path, init));
}

async function web(method: string, path: string, init: RequestInit = {}) {
  const headers = { Authorization: `Bearer v2/${TOKEN}/${SECRET}`, ...(init.headers as Record<string, string>) };
  return asked(new Request(`${HOST}/c=${path}`, { ...init, method, headers }));
}

const HEADERS = { 'Content-Length': String(BODY.length), 'Content-Type': 'text/plain' };
const NOTHING: RequestCost = { d1: 0, r2: 0, objects: 0, rowsRead: 0, rowsWritten: 0 };
/** S3 keeps type, metadata and time with an object, backed up before the answer: WebDAV would need PROPPATCH for that. */
const METADATA: RequestCost = { d1: 0, r2: 1, objects: 0, rowsRead: 7, rowsWritten: 4 };

describe('a request of S3 costs at most what the same request of keep-web costs', () => {
  let uuid: string;
  let other: string;

  beforeAll(async () => {
    uuid = await collectionOf('');
    other = await collectionOf('');
    await s3('PUT', `${uuid}/a`, { body: BODY, headers: HEADERS });
    await s3('PUT', `${other}/source`, { body: BODY, headers: HEADERS });
    for (const key of ['gone-1', 'gone-2']) await s3('PUT', `${uuid}/${key}`, { body: BODY, headers: HEADERS });
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
    ['GET', { d1: 1, r2: 1, objects: 0 }, NOTHING, () => s3('GET', `${uuid}/a`), () => web('GET', `${uuid}/a`)],
    ['HEAD', { d1: 1, r2: 0, objects: 0 }, NOTHING, () => s3('HEAD', `${uuid}/a`), () => web('HEAD', `${uuid}/a`)],
    [
      'a list',
      { d1: 1, r2: 0, objects: 0 },
      NOTHING,
      () => s3('GET', `${uuid}?list-type=2`),
      () => web('PROPFIND', `${uuid}/`, { headers: { Depth: '1' } }),
    ],
    [
      'PUT',
      { d1: 10, objects: 1 },
      METADATA,
      () => s3('PUT', `${uuid}/of-s3`, body('1')),
      () => web('PUT', `${uuid}/of-web`, body('2')),
    ],
    [
      'a copy from another collection',
      { objects: 1 },
      METADATA,
      () => s3('PUT', `${uuid}/copy-of-s3`, { headers: { 'x-amz-copy-source': `/${other}/source` } }),
      () => web('COPY', `${other}/source`, { headers: { Destination: `${HOST}/c=${uuid}/copy-of-web` } }),
    ],
    [
      'DELETE',
      { objects: 1 },
      { ...NOTHING, rowsRead: 1 },
      () => s3('DELETE', `${uuid}/gone-1`),
      () => web('DELETE', `${uuid}/gone-2`),
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
  const uuid = await collectionOf(`. d41d8cd98f00b204e9800998ecf8427e+0 ${names.join(' ')}\n`);
  await s3('GET', `${uuid}?list-type=2`);
  const costs: RequestCost[] = [];
  let from = '';
  for (let page = 0; page < KEYS / 1000; page++) {
    const { text, done } = await s3('GET', `${uuid}?list-type=2${from}`);
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
    const db = await database();
    await db
      .prepare(
        'INSERT INTO users (uuid, owner_uuid, created_at, modified_at, modified_by_user_uuid, is_active) VALUES (?, ?, ?, ?, ?, 1)',
      )
      .bind(OWNER, 'xedge-tpzed-000000000000000', NOW, NOW, OWNER)
      .run();
    buckets.hidden = await collectionOf('', OWNER);
    buckets.readable = await collectionOf('', OWNER);
    const grant = { link_class: 'permission', name: 'can_read', tail_uuid: USER, head_uuid: buckets.readable };
    await embedded().links.create(grant, { ...userOf(OWNER), isAdmin: true });
  });

  test.each([
    ['hidden', 404, 'NoSuchBucket'],
    ['missing', 404, 'NoSuchBucket'],
    ['readable', 403, 'AccessDenied'],
  ] as const)('%s', async (name, status, code) => {
    const mine = await collectionOf('');
    await s3('PUT', `${mine}/a`, { body: BODY, headers: HEADERS });
    const bucket = buckets[name];
    const writes: [string, string, RequestInit?][] = [
      ['PUT', `${bucket}/x`, { body: BODY, headers: HEADERS }],
      ['PUT', `${bucket}/x`, { headers: { 'x-amz-copy-source': `/${mine}/a` } }],
      ['DELETE', `${bucket}/x`],
      ['POST', `${bucket}/x?uploads`],
    ];
    for (const [method, path, init] of writes) {
      const answer = await service.ask(withHost(await signed(method, path, init)));
      expect([method, answer.status, /<Code>(.*?)</.exec(answer.text)?.[1]]).toEqual([method, status, code]);
      expect(answer.done.r2).toBe(0);
      // A Durable Object that was asked once stays for ever.
      expect(answer.done.objects).toBe(0);
      expect(answer.done.rowsWritten).toBe(0);
    }
  });
});
