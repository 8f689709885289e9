import { BadGenomicFile } from './ranged-file.ts';

/** The blocks of a .gzi file: pairs of a place in the file and in its content; the first block is not in it. */
export function parseGzi(bytes: Uint8Array): Float64Array {
  if (bytes.byteLength < 8) throw new BadGenomicFile('not a .gzi index');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const count = Math.min(Number(view.getBigUint64(0, true)), Math.floor((bytes.byteLength - 8) / 16));
  return Float64Array.from({ length: count + 1 }, (_, i) =>
    i === 0 ? 0 : Number(view.getBigUint64(8 + (i - 1) * 16, true)),
  );
}
