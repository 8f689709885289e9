/** Text and bytes at the beginning of gzip files, and of BGZF files, which are many small gzip members. */

const FETCHED_BYTES = 1024 * 1024;
const BGZF_HEADER = 18;
const BGZF_TRAILER = 8;

/** The first bytes of a file, decompressed where it is compressed. */
export async function beginningOf(url: string, maxBytes = FETCHED_BYTES): Promise<Uint8Array> {
  const answer = await fetch(url, { headers: { Range: `bytes=0-${maxBytes - 1}` } });
  if (!answer.ok) throw new Error(`the file could not be fetched (${answer.status})`);
  const bytes = new Uint8Array(await answer.arrayBuffer());
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes;
  return blockBytes(bytes, 0) === null ? gunzip(bytes) : inflateBlocks(bytes);
}

/** The member's length, from BGZF's extra field; null for gzip of another kind. */
function blockBytes(bytes: Uint8Array, at: number): number | null {
  const isBgzf = bytes[at + 3] === 4 && bytes[at + 12] === 0x42 && bytes[at + 13] === 0x43;
  if (!isBgzf || at + BGZF_HEADER > bytes.length) return null;
  return (bytes[at + 16] ?? 0) + (bytes[at + 17] ?? 0) * 256 + 1;
}

async function inflateBlocks(bytes: Uint8Array): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = blockBytes(bytes, at);
    if (length === null || at + length > bytes.length) break;
    parts.push(await decompress(bytes.subarray(at + BGZF_HEADER, at + length - BGZF_TRAILER), 'deflate-raw'));
    at += length;
  }
  return joined(parts);
}

/** As far as it goes: the member is cut off. */
async function gunzip(bytes: Uint8Array): Promise<Uint8Array> {
  return decompress(bytes, 'gzip');
}

async function decompress(bytes: Uint8Array, format: CompressionFormat): Promise<Uint8Array> {
  const reader = new Blob([bytes as Uint8Array<ArrayBuffer>])
    .stream()
    .pipeThrough(new DecompressionStream(format))
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
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
