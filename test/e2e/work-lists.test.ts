import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { bearer, request } from '../support/keep.ts';
import { listStatus, MOUNT, putList, putTrash } from '../support/queues.ts';
import { brokenUpload } from '../support/raw-http.ts';
import { MANAGEMENT_TOKEN, ROOT_TOKEN, startService, type TestService } from '../support/service.ts';

/** The wire rules of PUT /pull and PUT /trash, on a service that only keeps trash lists. */

const HASH = 'acbd18db4cc2f85cedef654fccc4a4d8';
const ENTRY = { locator: `${HASH}+3`, mtime: 1_700_000_000_123_456_789n };
const KINDS = ['pull', 'trash'] as const;

let service: TestService;

beforeAll(async () => {
  service = await startService({ vars: { BLOB_TRASH_CONCURRENCY: 0 } });
});
afterAll(() => service?.stop());

describe.each(KINDS)('the %s list', (kind) => {
  test('can be sent and looked at with the root token only', async () => {
    await putList(service, kind, 'null');
    for (const method of ['PUT', 'GET']) {
      const options = method === 'PUT' ? { method, body: 'null' } : { method };
      expect((await request(`${service.url}/${kind}`, { ...options, token: null })).status).toBe(401);
      expect((await request(`${service.url}/${kind}`, { ...options, token: MANAGEMENT_TOKEN })).status).toBe(403);
    }
  });

  test('is emptied by null, sent in chunks and without a content type as keep-balance does', async () => {
    const body = new Blob(['null\n']).stream();
    const response = await fetch(`${service.url}/${kind}`, {
      method: 'PUT',
      headers: bearer(ROOT_TOKEN),
      body,
      duplex: 'half',
    } as RequestInit);
    expect([response.status, await response.text()]).toEqual([200, '']);
    expect((await listStatus(service, kind)).list.entries).toBe(0);
  });

  test.each([
    ['no body', ''],
    ['a text that is not JSON', 'locator'],
    ['an object', `{"locator":"${HASH}+3"}`],
    ['a list that breaks off', `[{"locator":"${HASH}+3"}`],
    ['a string in place of an entry', `["${HASH}+3"]`],
    ['a number as a locator', '[{"locator":3}]'],
    ['a number as a mount', `[{"locator":"${HASH}+3","mount_uuid":5}]`],
    ['a good entry before a bad one', `[{"locator":"${HASH}+3"},{"locator":[]}]`],
  ])('is refused as a whole when it is %s', async (_, body) => {
    const before = (await listStatus(service, kind)).list;
    const answer = await putList(service, kind, body);
    expect(answer.status).toBe(400);
    expect((await listStatus(service, kind)).list).toEqual(before);
  });

  test('may have unknown keys, and anything after its end', async () => {
    const answer = await putList(service, kind, `[{"locator":"${HASH}+3","future":{"a":[1]}}] and so on`);
    expect(answer.status).toBe(200);
    expect((await listStatus(service, kind)).list.entries).toBe(1);
    await putList(service, kind, '[]');
  });
});

describe('a trash list', () => {
  test.each(['1e18', '1.5', '9223372036854775808', '"1700000000000000000"'])(
    'is refused with a time of %s',
    async (time) => {
      const answer = await putList(service, 'trash', `[{"locator":"${HASH}+3","block_mtime":${time}}]`);
      expect([answer.status, answer.text]).toEqual([400, expect.stringContaining('block_mtime')]);
    },
  );

  test('stays pending where the configuration keeps it from being worked off', async () => {
    expect((await putTrash(service, [ENTRY, ENTRY, ENTRY])).status).toBe(200);
    expect(await listStatus(service, 'trash')).toMatchObject({ isWorking: false, pending: 3, inProgress: 0, done: {} });
    await service.scheduled();
    const { text } = await request(`${service.url}/metrics`, { token: MANAGEMENT_TOKEN });
    expect(text).toContain('# TYPE arvados_keepstore_trash_queue_pending_entries gauge\n');
    expect(text).toContain('arvados_keepstore_trash_queue_pending_entries 3\n');
    expect(text).toContain('arvados_keepstore_trash_queue_inprogress_entries 0\n');
    expect(text).toContain('arvados_keepstore_pull_queue_pending_entries 0\n');
  });

  test('is replaced as a whole by the next one', async () => {
    await putTrash(
      service,
      Array.from({ length: 2000 }, () => ENTRY),
    );
    await putTrash(service, [ENTRY, ENTRY]);
    expect(await listStatus(service, 'trash')).toMatchObject({ list: { entries: 2 }, pending: 2 });
  });

  test('changes nothing when its sender goes away in the middle', async () => {
    await putTrash(service, [ENTRY]);
    const one = `{"locator":"${HASH}+3","block_mtime":${ENTRY.mtime},"mount_uuid":"${MOUNT}"},`;
    const sent = new TextEncoder().encode(`[${one.repeat(3000)}`);
    const options = {
      method: 'PUT',
      path: '/trash',
      headers: bearer(ROOT_TOKEN),
      contentLength: sent.length * 2,
      sent,
    };
    await brokenUpload(service.url, options);
    await putList(service, 'pull', 'null');
    expect(await listStatus(service, 'trash')).toMatchObject({ list: { entries: 1 }, pending: 1 });
  });

  test('outlives the service', async () => {
    await putTrash(service, [ENTRY, ENTRY, ENTRY, ENTRY]);
    const { list } = await listStatus(service, 'trash');
    await service.restart();
    expect(await listStatus(service, 'trash')).toMatchObject({ list, pending: 4 });
  });
});
