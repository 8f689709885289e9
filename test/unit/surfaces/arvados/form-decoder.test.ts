import { expect, test } from 'vitest';
import { FormDecoder } from '../../../../src/surfaces/arvados/form-decoder.ts';

test('takes one buffer a chunk, however many values there are in it: 64 KiB of separators cost what they weigh', () => {
  const chunk = new TextEncoder().encode('a=1&&b=22&c=&'.repeat(50));
  const chunks = [...new FormDecoder().push(chunk)];
  expect(chunks.map(({ name, bytes }) => `${name}=${new TextDecoder().decode(bytes)}`).slice(0, 4)).toEqual([
    'a=1',
    'b=22',
    'c=',
    'a=1',
  ]);
  expect(new Set(chunks.map(({ bytes }) => bytes.buffer)).size).toBe(1);
});
