import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { createUser } from '../support/api.ts';
import { bearer, sign } from '../support/keep.ts';
import { manifestChunks, recordBody } from '../support/large-manifest.ts';
import { startService } from '../support/service.ts';

const SEGMENTS = 1_300_000;
const LOCATOR = 'acbd18db4cc2f85cedef654fccc4a4d8+67108864';
const MB = 1_000_000;
/** An isolate has 128 MB, for everything. */
const MEMORY_BOUND = 80 * MB;

test('a manifest of 50 MB and 1.3 million segments is taken, kept and given out', async () => {
  await using service = await startService();
  const user = await createUser(service, 'large');
  const init = {
    method: 'POST',
    headers: { ...bearer(user.token), 'content-type': 'application/json' },
    body: recordBody(manifestChunks(sign(LOCATOR, { token: user.token }), SEGMENTS)),
    duplex: 'half',
  };
  const made = (await (
    await fetch(
      `${service.url}/arvados/v1/collections?select=["uuid","portable_data_hash","file_count"]`,
      init as RequestInit,
    )
  ).json()) as Record<string, unknown>;
  const hash = createHash('md5');
  let bytes = 0;
  for (const chunk of manifestChunks(LOCATOR, SEGMENTS)) {
    hash.update(chunk);
    bytes += chunk.length;
  }
  expect(bytes).toBeGreaterThan(50 * MB);
  expect(made).toMatchObject({ portable_data_hash: `${hash.digest('hex')}+${bytes}`, file_count: SEGMENTS });

  const found = await fetch(`${service.url}/arvados/v1/collections/${made.uuid}`, { headers: bearer(user.token) });
  const { manifest_text } = (await found.json()) as { manifest_text: string };
  const again = createHash('md5').update(manifest_text.replace(/\+A[0-9a-f]{40}@[0-9a-f]{8}/g, ''));
  expect(`${again.digest('hex')}+${bytes}`).toBe(made.portable_data_hash);
}, 180_000);

test('neither way takes more memory than an isolate has', async () => {
  const program = join(import.meta.dirname, '../support/large-manifest-process.ts');
  const { stdout } = await promisify(execFile)(process.execPath, ['--max-old-space-size=32', program]);
  const { files, bytes, out, peak, record } = JSON.parse(stdout);
  expect({ files, record }).toEqual({ files: SEGMENTS, record: { name: 'large', manifest_text: '' } });
  expect(bytes).toBeGreaterThan(50 * MB);
  expect(out).toBeGreaterThan(bytes);
  expect(peak).toBeLessThan(MEMORY_BOUND);
}, 180_000);
