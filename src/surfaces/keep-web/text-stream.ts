import { takeTurns } from '../../streams/turns.ts';

const CHUNK_CHARACTERS = 64 * 1024;

/** A body of text that is generated while it is read: a long listing is never in memory as a whole. */
export function textStream(texts: Iterator<string> | AsyncIterator<string>): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  const turn = takeTurns(1);
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      let chunk = '';
      while (chunk.length < CHUNK_CHARACTERS) {
        const next = await texts.next();
        if (next.done === true) {
          if (chunk !== '') controller.enqueue(encoder.encode(chunk));
          controller.close();
          return;
        }
        chunk += next.value;
      }
      controller.enqueue(encoder.encode(chunk));
      // A reader that is as fast as this would leave no room for other requests.
      await turn();
    },
    async cancel() {
      await texts.return?.();
    },
  });
}
