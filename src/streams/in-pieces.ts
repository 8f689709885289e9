/** Of a piece, at least. */
export const PIECE_BYTES = 16 * 1024;

/**
 * The same bytes in pieces that may be kept: a peer that sends byte by byte makes as many chunks, and each holds the 4 KiB
 * that were read into. Chunks that are large enough pass as they are.
 * @param atLeast bytes of each piece but the last
 */
export async function* inPieces(
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  atLeast = PIECE_BYTES,
): AsyncGenerator<Uint8Array, void, undefined> {
  let piece = new Uint8Array(0);
  let length = 0;
  for await (const chunk of chunks) {
    if (length === 0 && chunk.byteLength >= atLeast) {
      yield chunk;
      continue;
    }
    for (let from = 0; from < chunk.byteLength; ) {
      if (length === 0) piece = new Uint8Array(atLeast);
      const part = chunk.subarray(from, from + atLeast - length);
      piece.set(part, length);
      length += part.byteLength;
      from += part.byteLength;
      if (length < atLeast) continue;
      length = 0;
      yield piece;
    }
  }
  if (length > 0) yield piece.slice(0, length);
}
