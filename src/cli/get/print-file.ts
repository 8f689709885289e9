import type { Writable } from 'node:stream';
import type { ManifestFile } from '../../keep/manifest/tree.ts';
import type { KeepClient } from '../../services/keep-client.ts';

/** Blocks fetched ahead of the one that is written. */
const AHEAD = 3;

/** Writes a file's bytes in order, each block verified before any of it is written. */
export async function printFile(keep: KeepClient, { segments }: ManifestFile, out: Writable): Promise<void> {
  const stop = new AbortController();
  const coming: { locator: string; bytes: Promise<Uint8Array> }[] = [];
  let next = 0;
  try {
    for (const [index, { offset, length }] of segments.entries()) {
      for (; next < segments.length && next <= index + AHEAD; next++) {
        const locator = segments[next]?.locator ?? '';
        const last = coming.at(-1);
        const bytes =
          last?.locator === locator ? last.bytes : keep.getVerified(locator, { signal: stop.signal }).then((b) => b);
        bytes.catch(() => undefined);
        coming.push({ locator, bytes });
      }
      const block = await coming.shift()?.bytes;
      if (block !== undefined) await write(out, block.subarray(offset, offset + length));
    }
  } finally {
    stop.abort();
  }
}

function write(out: Writable, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => out.write(bytes, (error) => (error ? reject(error) : resolve())));
}
