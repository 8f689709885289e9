import { BadGenomicFile } from './ranged-file.ts';

/** The blocks of a .gzi file: pairs of a place in the file and in its content; the first block is not in it. */
export function parseGzi(bytes: Uint8Array): Float64Array {
  if (bytes.byteLength < 8) throw new BadGenomicFile('not a .gzi index');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const count = Math.min(Number(view.getBigUint64(0, true)), Math.floor((bytes.byteLength - 8) / 16));
  const starts = new Float64Array(count + 1);
  for (let i = 1, at = 8; i <= count; i++, at += 16)
    starts[i] = view.getUint32(at, true) + view.getUint32(at + 4, true) * 2 ** 32;
  return starts;
}
