import { afterAll, beforeAll, expect, test } from 'vitest';
import { api, createUser, type Json } from '../support/api.ts';
import { createCollection } from '../support/collections.ts';
import { request } from '../support/keep.ts';
import { s3Keys, s3Request } from '../support/s3-client.ts';
import { startService, type TestService } from '../support/service.ts';

/** The background packing of files that were written one by one, from the outside. */

let service: TestService;
beforeAll(async () => {
  service = await startService({ vars: { REPACK_IDLE: '5s' } });
});
afterAll(() => service.stop());

test('small files of WebDAV writers share blocks a while later; content, ETags and times stay, and so does the hash before', async () => {
  const { uuid } = await createCollection(service, '');
  const names = Array.from({ length: 30 }, (_, i) => `file ${i}`);
  const url = (name: string, id = uuid) => `${service.url}/c=${id}/${encodeURIComponent(name)}`;
  await Promise.all(names.map((name) => request(url(name), { method: 'PUT', body: `content of ${name}`.repeat(50) })));
  const record = async (): Promise<Json> => (await api(service, `collections/${uuid}`)).json;
  const before = await record();
  const blocksOf = ({ manifest_text }: Json) => new Set(manifest_text.match(/[0-9a-f]{32}\+\d+/g)).size;
  expect(blocksOf(before)).toBe(30);
  const keys = await s3Keys(service, (await createUser(service, 'reader', { is_admin: true })).token);
  const seen = async () =>
    Promise.all(
      names.map(async (name) => {
        const { text, headers } = await request(url(name));
        const s3 = await s3Request(service, `/${uuid}/${encodeURIComponent(name)}`, { method: 'HEAD', keys });
        return [text, headers.get('etag'), s3.status, s3.headers.get('etag')];
      }),
    );
  const shown = await seen();
  await expect.poll(async () => blocksOf(await record()), { timeout: 30_000 }).toBe(1);
  expect(await seen()).toEqual(shown);
  const after = await record();
  expect([after.modified_at, after.version]).toEqual([before.modified_at, before.version + 1]);
  const old = before.portable_data_hash.replace('+', '-');
  expect((await request(url('file 7', old))).text).toBe('content of file 7'.repeat(50));
  // Conditions go on with the ETags that clients know.
  const headers = { 'if-match': String(shown[3]?.[1]) };
  expect((await request(url('file 3'), { method: 'PUT', body: 'new', headers })).status).toBe(204);
  expect((await request(url('file 3'), { method: 'PUT', body: 'newer', headers })).status).toBe(412);
});
