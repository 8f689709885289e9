import { blockSizeAt, inflateBlock } from '../genomics/bgzf.ts';
import { rangeHeader } from '../streams/byte-range.ts';
import { joinBytes } from '../streams/join-bytes.ts';

/** Beginnings of files, of gzip files, and of BGZF files, which are many small gzip members. */

const FETCHED_BYTES = 256 * 1024;

/** @throws Error with the status */
export async function fetchBytes(url: string, start: number, length: number): Promise<Uint8Array> {
  const answer = await fetch(url, { headers: { Range: rangeHeader({ offset: start, length }) } });
  if (answer.status === 416) return new Uint8Array(0);
  if (!answer.ok) throw new Error(`the file could not be fetched (${answer.status})`);
  const bytes = new Uint8Array(await answer.arrayBuffer());
  return answer.status === 206 ? bytes : bytes.subarray(start, start + length);
}

/** The first bytes of a file, decompressed where it is compressed. */
export async function beginningOf(url: string, maxBytes = FETCHED_BYTES): Promise<Uint8Array> {
  const bytes = await fetchBytes(url, 0, maxBytes);
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes;
  return blockSizeAt(bytes, 0) === null ? gunzip(bytes) : inflateWhole(bytes);
}

/** Of all blocks that are there as a whole. */
async function inflateWhole(bytes: Uint8Array): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = blockSizeAt(bytes, at);
    if (length === null || at + length > bytes.length) break;
    parts.push(await inflateBlock(bytes.subarray(at, at + length)));
    at += length;
  }
  return joined(parts);
}

/** As far as it goes: the member may be cut off. */
async function gunzip(bytes: Uint8Array): Promise<Uint8Array> {
  const reader = new Blob([bytes as Uint8Array<ArrayBuffer>])
    .stream()
    .pipeThrough(new DecompressionStream('gzip'))
    .getReader();
  const parts: Uint8Array[] = [];
  try {
    for (let next = await reader.read(); !next.done; next = await reader.read()) parts.push(next.value);
  } catch {
    // The end is missing; what came before is good.
  }
  return joined(parts);
}

function joined(parts: Uint8Array[]): Uint8Array {
  return joinBytes(
    parts,
    parts.reduce((sum, { length }) => sum + length, 0),
  );
}
