import type { Writable } from 'node:stream';
import type { ManifestFile } from '../../keep/manifest/tree.ts';
import type { KeepClient } from '../../services/keep-client.ts';
import { isSparse, type ReadRange } from './range-reader.ts';

/** Segments fetched ahead of the one that is written. */
const AHEAD = 3;

export interface PrintedFile {
  /** In the collection. */
  path: string;
  file: ManifestFile;
  /** Reads small parts of large blocks; null to fetch whole blocks. */
  ranges: ReadRange | null;
}

/** Writes a file's bytes in order, each block verified before any of it is written. */
export async function printFile(keep: KeepClient, printed: PrintedFile, out: Writable): Promise<void> {
  const { path, file, ranges } = printed;
  const { segments } = file;
  const used = new Map<string, number>();
  for (const { locator, length } of segments) used.set(locator, (used.get(locator) ?? 0) + length);
  const stop = new AbortController();
  const { signal } = stop;

  const wholeBlock = (locator: string, before: Coming | undefined) =>
    before?.locator === locator ? before.block : keep.getVerified(locator, { signal });
  const fetchSegment = (index: number, fileOffset: number, before: Coming | undefined): Coming | null => {
    const segment = segments[index];
    if (segment === undefined) return null;
    const { locator, blockSize, offset, length } = segment;
    const cut = (block: Uint8Array) => block.subarray(offset, offset + length);
    if (ranges === null || !isSparse(used.get(locator) ?? 0, blockSize)) {
      const block = wholeBlock(locator, before);
      return { locator, length, block, bytes: block.then(cut) };
    }
    const bytes = ranges({ path, offset: fileOffset, length }, signal).then(
      async (range) => range ?? cut(await keep.getVerified(locator, { signal })),
    );
    return { locator: null, length, block: bytes, bytes };
  };

  const coming: Coming[] = [];
  let next = 0;
  let nextOffset = 0;
  try {
    for (let index = 0; index < segments.length; index++) {
      for (; next < segments.length && next <= index + AHEAD; next++) {
        const fetching = fetchSegment(next, nextOffset, coming.at(-1));
        if (fetching === null) break;
        // The failure is seen when the segment is written.
        fetching.bytes.catch(() => undefined);
        fetching.block.catch(() => undefined);
        nextOffset += fetching.length;
        coming.push(fetching);
      }
      const bytes = await coming.shift()?.bytes;
      if (bytes !== undefined) await write(out, bytes);
    }
  } finally {
    stop.abort();
  }
}

interface Coming {
  /** Null when only a range of the block was asked for. */
  locator: string | null;
  length: number;
  block: Promise<Uint8Array>;
  bytes: Promise<Uint8Array>;
}

function write(out: Writable, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => out.write(bytes, (error) => (error ? reject(error) : resolve())));
}
