import type { ByteRange } from './byte-range.ts';
import type { Pipeable } from './part.ts';
import { movedBy } from './pipe-chunks.ts';

/**
 * A stretch of a body that is checked only as it ends: the body is read to its end, and the last bytes of the stretch
 * are held back until it has ended well. So a stretch of a bad block can break off, but not complete.
 */
export function sliceChecked(body: ReadableStream<Uint8Array>, { offset, length }: ByteRange): Pipeable {
  return movedBy(body, async (next, writer) => {
    let held: Uint8Array | null = null;
    let spent: Uint8Array | undefined;
    let position = 0;
    for (let piece = await next(); piece !== null; piece = await next(spent)) {
      const from = Math.max(offset - position, 0);
      const until = Math.min(offset + length - position, piece.byteLength);
      position += piece.byteLength;
      spent = piece;
      if (until <= from) continue;
      if (held !== null) await writer.write(held);
      const isLast = position >= offset + length;
      // The last one is held for as long as the rest takes: in memory of its own.
      held = isLast ? piece.slice(from, until) : piece.subarray(from, until);
      if (!isLast) spent = undefined;
    }
    if (held !== null) await writer.write(held);
  });
}
