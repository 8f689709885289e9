import { heldBudget } from '../../streams/held-budget.ts';
import { takeTurns } from '../../streams/turns.ts';

const CHUNK_CHARACTERS = 64 * 1024;

/**
 * A body of text that is generated while it is read: a long listing is never in memory as a whole. What is long all the same, such
 * as a name of a megabyte, counts among what all answers may hold: without room the body breaks off.
 * @param held bytes that the generator holds
 * @throws KeepError unavailable when there is no room for these
 */
export function textStream(texts: Iterator<string> | AsyncIterator<string>, held = 0): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  const turn = takeTurns(1);
  const reservation = heldBudget.reserve();
  const hold = (bytes: number) => {
    reservation.release();
    reservation.require(bytes);
  };
  hold(held);
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      let chunk = '';
      while (chunk.length < CHUNK_CHARACTERS) {
        const next = await texts.next();
        if (next.done === true) {
          if (chunk !== '') controller.enqueue(encoder.encode(chunk));
          reservation.release();
          controller.close();
          return;
        }
        chunk += next.value;
      }
      const bytes = encoder.encode(chunk);
      // A chunk of the usual length counts for nothing, as in answers of all other kinds.
      hold(held + (bytes.byteLength > 4 * CHUNK_CHARACTERS ? bytes.byteLength : 0));
      controller.enqueue(bytes);
      // A reader that is as fast as this would leave no room for other requests.
      await turn();
    },
    async cancel() {
      reservation.release();
      await texts.return?.();
    },
  });
}
