import { expect, test } from 'vitest';
import { BGZF_EOF, deflateBlock } from '../../../src/genomics/bgzf.ts';
import { gunzipBeginning } from '../../../src/surfaces/workspace/gunzip.ts';

const bytes = (text: string) => new TextEncoder().encode(text);
const gzip = async (text: string) =>
  new Uint8Array(
    await new Response(new Blob([text]).stream().pipeThrough(new CompressionStream('gzip'))).arrayBuffer(),
  );
const joined = async (...parts: Uint8Array[]) =>
  new Uint8Array(await new Blob(parts as Uint8Array<ArrayBuffer>[]).arrayBuffer());
const inflated = async (packed: Uint8Array, most = 1000) => {
  const { bytes, isCut } = await gunzipBeginning(packed, most);
  return [new TextDecoder().decode(bytes), isCut];
};

test('gzip, BGZF, and what is cut off or damaged give the text that comes first', async () => {
  expect(await inflated(await gzip('text'))).toEqual(['text', false]);
  expect(await inflated(await gzip('x'.repeat(5000)), 10)).toEqual(['x'.repeat(10), true]);
  const [one, two] = [await deflateBlock(bytes('one ')), await deflateBlock(bytes('two'))];
  expect(await inflated(await joined(one, two, BGZF_EOF))).toEqual(['one two', false]);
  expect(await inflated(await joined(one, two.subarray(0, 20)))).toEqual(['one ', true]);
  expect(await inflated(Uint8Array.from([0x1f, 0x8b, 8, 0, 1, 2, 3]))).toEqual(['', true]);
});

test('gzip of several members shows at least what is far from where the first one ends', async () => {
  const long = Array.from({ length: 20_000 }, (_, i) => `line ${(i * 7919) % 10_007}\n`).join('');
  const { bytes, isCut } = await gunzipBeginning(await joined(await gzip(long), await gzip('second')), 1_000_000);
  expect(isCut).toBe(true);
  expect(bytes.byteLength).toBeGreaterThan(long.length / 2);
});
