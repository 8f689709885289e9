import { afterEach, describe, expect, test, vi } from 'vitest';
import { createClusterAuthority } from '../../../src/accounts/cluster-authority.ts';
import { callCluster } from '../../../src/collections/cluster-calls.ts';
import { createClusterSource } from '../../../src/collections/cluster-source.ts';
import { fetchServiceRecords } from '../../../src/services/service-source.ts';

const URL = 'https://cluster.example';
const UUID = 'zzzzz-4zz18-000000000000001';
const authority = createClusterAuthority(URL);
const source = createClusterSource(URL);

/** What the API server answers to each request. @returns the addresses that were asked for */
function says(body: string | ((url: string) => string), status = 200): string[] {
  const asked: string[] = [];
  vi.stubGlobal('fetch', (url: string) => {
    asked.push(url);
    return Promise.resolve(new Response(typeof body === 'string' ? body : body(url), { status }));
  });
  return asked;
}
afterEach(() => vi.unstubAllGlobals());

/** White space in front of a document that makes sense. */
const long = (document: unknown) => ' '.repeat(5 * 1024 * 1024) + JSON.stringify(document);

describe('an answer of the API server that is longer than any is broken off', () => {
  test.each<[string, unknown, () => Promise<unknown>]>([
    ['a token', { uuid: UUID, scopes: ['all'] }, () => authority.identify('tok')],
    ['a collection', { uuid: UUID }, () => source.open(UUID, 'tok')],
    ['a list', { items: [] }, () => source.homes('tok')],
    ['a change', { uuid: UUID }, () => callCluster(URL, 'tok', 'PATCH', `collections/${UUID}`, {})],
    ['services', { items: [] }, () => fetchServiceRecords(URL)],
  ])('%s', async (_, document, ask) => {
    says(long(document));
    await expect(ask()).rejects.toMatchObject({ code: 'bad_gateway' });
  });

  test('what a refusal says', async () => {
    says(long({ errors: ['no'] }), 422);
    const refused = callCluster(URL, 'tok', 'GET', `collections/${UUID}`, {});
    await expect(refused).rejects.toMatchObject({ code: 'invalid_record', message: expect.not.stringMatching(/^no$/) });
  });
});

test.each(['null', '3', '{', '<html>', ''])(
  'an answer that is no record is a failure of the cluster: %s',
  async (body) => {
    says(body);
    await expect(authority.identify('tok')).rejects.toMatchObject({ code: 'bad_gateway' });
    await expect(source.homes('tok')).rejects.toMatchObject({ code: 'bad_gateway' });
  },
);

test.each([{}, { items: 3 }, { items: [null] }])(
  'an answer that is no list is a failure of the cluster: %j',
  async (list) => {
    says(JSON.stringify(list));
    await expect(source.home('someone', 'tok')).rejects.toMatchObject({ code: 'bad_gateway' });
  },
);

test('an API server that gives the same page for ever is asked no third time', async () => {
  const asked = says(JSON.stringify({ items: [{ uuid: UUID, name: 'a', username: 'a' }] }));
  await expect(source.homes('tok')).rejects.toMatchObject({ code: 'bad_gateway' });
  expect(asked).toHaveLength(2);
});

test.each([
  ['cut short', '{"manifest_text": ". '],
  ['nothing', 'null'],
  ['nested deeper than any record', '['.repeat(100)],
])('a manifest in an answer that is %s is a failure of the cluster, not of the reader', async (_, body) => {
  says((url) => (url.includes('manifest_text') ? body : JSON.stringify({ uuid: UUID })));
  const collection = await source.open(UUID, 'tok');
  const read = async () => {
    for await (const _chunk of (await collection?.manifest()) ?? []) {
      // read over
    }
  };
  await expect(read()).rejects.toMatchObject({ code: 'bad_gateway' });
});
