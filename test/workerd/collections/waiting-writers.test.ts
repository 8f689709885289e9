import { env } from 'cloudflare:workers';
import { beforeAll, expect, test } from 'vitest';
import type { CollectionHandle } from '../../../src/collections/commits.ts';
import type { EditRequest } from '../../../src/collections/edit/edits.ts';
import type { CompleteRequest } from '../../../src/collections/uploads/upload.ts';
import { database } from '../support/database.ts';

beforeAll(async () => {
  await database();
});

const UUID = 'xtest-4zz18-00000000waiting';
const WRITER = {
  user: { uuid: 'xtest-tpzed-000000000000000', isAdmin: false, isActive: true, username: '', fullName: '' },
  tokenUuid: null,
  token: '',
};

function handle(): CollectionHandle {
  const { COLLECTION } = env as unknown as { COLLECTION: DurableObjectNamespace };
  return COLLECTION.getByName(UUID) as unknown as CollectionHandle;
}

/** A file of so many ranges of one block. */
function put(count: number): EditRequest {
  const locator = `${'a'.repeat(32)}+10`;
  const ranges = Array.from({ length: count }, (_, i) => ({ locator, offset: i % 10, length: 1 }));
  return { writer: WRITER, edits: [{ kind: 'put', path: 'f', ranges }], conditions: [], lockTokens: [] };
}

const codes = (outcomes: { ok: boolean; code?: string }[]) =>
  outcomes.map((outcome) => (outcome.ok ? 'ok' : outcome.code));

test('writers who wait for a collection hold so much together; who comes too late is told to slow down, but for small changes', async () => {
  const requests = [put(100_000), put(100_000), put(100_000), put(1), put(100_000)];
  const told = codes(await Promise.all(requests.map((request) => handle().edit(UUID, request))));
  expect(told.filter((code) => code === 'slow_down')).toHaveLength(2);
  // There is no such collection.
  expect([told[0], told[1], told[3]]).toEqual(['not_found', 'not_found', 'not_found']);
  expect(codes([await handle().edit(UUID, put(100_000))])).toEqual(['not_found']);
});

test('the same goes for uploads of ten thousand parts that are completed at once', async () => {
  const parts = Array.from({ length: 10_000 }, (_, i) => ({ number: i + 1, etag: '"e"', checksum: null }));
  const request: CompleteRequest = {
    id: 'u',
    path: 'p',
    parts,
    writer: WRITER,
    conditions: [],
    checksum: null,
    size: null,
  };
  const told = codes(await Promise.all(Array.from({ length: 30 }, () => handle().completeUpload(UUID, request))));
  expect(told.filter((code) => code === 'slow_down').length).toBeGreaterThan(5);
  expect(told).toContain('not_found');
});
