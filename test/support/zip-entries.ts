import type { ZipEntries } from '../../src/streams/zip/format.ts';

/** Entries of an archive out of a list. */
export function zipEntries(list: { name: string; size: number }[]): ZipEntries {
  const names = list.map(({ name }) => new TextEncoder().encode(name));
  return {
    length: list.length,
    sizeOf: (entry) => list[entry]?.size ?? 0,
    nameBytesOf: (entry) => names[entry]?.byteLength ?? 0,
    putName: (entry, target, at) => target.set(names[entry] ?? [], at),
  };
}
