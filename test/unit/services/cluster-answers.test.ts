import { once } from 'node:events';
import { describe, expect, test } from 'vitest';
import { createClusterAuthority } from '../../../src/accounts/cluster-authority.ts';
import { callCluster } from '../../../src/collections/cluster-calls.ts';
import { createClusterSource } from '../../../src/collections/cluster-source.ts';
import { fetchServiceRecords } from '../../../src/services/service-source.ts';
import { type Behaviour, startKeepServer } from '../../support/keep-server.ts';

const MIB = 1024 * 1024;
const UUID = 'zzzzz-4zz18-000000000000001';

/** Answers with that many MiB of white space in front of a document that makes sense. */
const long =
  (mib: number, document: unknown, status = 200): Behaviour =>
  async (_, response) => {
    response.writeHead(status, { 'Content-Type': 'application/json' });
    for (let sent = 0; sent < mib && !response.destroyed; sent++)
      if (!response.write(Buffer.alloc(MIB, ' ')))
        await Promise.race([once(response, 'drain'), once(response, 'close')]);
    response.end(JSON.stringify(document));
    return undefined;
  };

describe('an answer of the API server that is longer than any is broken off', () => {
  test.each<[string, unknown, (url: string) => Promise<unknown>]>([
    ['a token', { uuid: UUID, scopes: ['all'] }, (url) => createClusterAuthority(url).identify('tok')],
    ['a collection', { uuid: UUID }, (url) => createClusterSource(url).open(UUID, 'tok')],
    ['a list', { items: [] }, (url) => createClusterSource(url).homes('tok')],
    ['a change', { uuid: UUID }, (url) => callCluster(url, 'tok', 'PATCH', `collections/${UUID}`, {})],
    ['services', { items: [] }, (url) => fetchServiceRecords(url)],
  ])('%s', async (_, document, ask) => {
    await using api = await startKeepServer(long(8, document));
    await expect(ask(api.url)).rejects.toMatchObject({ code: 'bad_gateway' });
  });

  test('what a refusal says', async () => {
    await using api = await startKeepServer(long(8, { errors: ['no'] }, 422));
    const refused = callCluster(api.url, 'tok', 'GET', `collections/${UUID}`, {});
    await expect(refused).rejects.toMatchObject({ code: 'invalid_record', message: expect.not.stringMatching(/^no$/) });
  });
});

test.each(['null', '3', '{', '<html>', ''])(
  'an answer that is no record is a failure of the cluster: %s',
  async (body) => {
    await using api = await startKeepServer(() => ({ status: 200, body }));
    await expect(createClusterAuthority(api.url).identify('tok')).rejects.toMatchObject({ code: 'bad_gateway' });
    await expect(createClusterSource(api.url).homes('tok')).rejects.toMatchObject({ code: 'bad_gateway' });
  },
);

test.each([{}, { items: 3 }, { items: [null] }])(
  'an answer that is no list is a failure of the cluster: %j',
  async (list) => {
    await using api = await startKeepServer(() => ({ status: 200, body: JSON.stringify(list) }));
    await expect(createClusterSource(api.url).home('someone', 'tok')).rejects.toMatchObject({ code: 'bad_gateway' });
  },
);

test('an API server that gives the same page for ever is asked no third time', async () => {
  const page = { items: [{ uuid: UUID, name: 'a', username: 'a' }] };
  await using api = await startKeepServer(() => ({ status: 200, body: JSON.stringify(page) }));
  await expect(createClusterSource(api.url).homes('tok')).rejects.toMatchObject({ code: 'bad_gateway' });
  expect(api.seen).toHaveLength(2);
});
