/** Of a chunk that may be kept, at least. */
export const KEPT_CHUNK_BYTES = 16 * 1024;

/**
 * The same bytes in chunks that may be kept: a peer that sends byte by byte makes as many, and each holds the 4 KiB that
 * were read into. Those that are large enough pass as they are.
 * @param atLeast bytes of each chunk but the last
 */
export async function* largerChunks(
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  atLeast = KEPT_CHUNK_BYTES,
): AsyncGenerator<Uint8Array, void, undefined> {
  let larger = new Uint8Array(0);
  let length = 0;
  for await (const chunk of chunks) {
    if (length === 0 && chunk.byteLength >= atLeast) {
      yield chunk;
      continue;
    }
    for (let from = 0; from < chunk.byteLength; ) {
      if (length === 0) larger = new Uint8Array(atLeast);
      const taken = chunk.subarray(from, from + atLeast - length);
      larger.set(taken, length);
      length += taken.byteLength;
      from += taken.byteLength;
      if (length < atLeast) continue;
      length = 0;
      yield larger;
    }
  }
  if (length > 0) yield larger.slice(0, length);
}
