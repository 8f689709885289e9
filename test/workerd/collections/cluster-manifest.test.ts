import { afterEach, expect, test, vi } from 'vitest';
import { createClusterSource } from '../../../src/collections/cluster-source.ts';

const UUID = 'zzzzz-4zz18-000000000000001';
afterEach(() => vi.unstubAllGlobals());

test.each([
  ['cut short', '{"manifest_text": ". '],
  ['nothing', 'null'],
  ['nested deeper than any record', '['.repeat(100)],
])('a manifest in an answer that is %s is a failure of the cluster, not of the reader', async (_, body) => {
  vi.stubGlobal('fetch', (url: string) =>
    Promise.resolve(new Response(url.includes('manifest_text') ? body : JSON.stringify({ uuid: UUID }))),
  );
  const collection = await createClusterSource('https://cluster.example').open(UUID, 'tok');
  const read = async () => {
    for await (const _chunk of (await collection?.manifest()) ?? []) {
      // read over
    }
  };
  await expect(read()).rejects.toMatchObject({ code: 'bad_gateway' });
});
