const CHUNK_CHARACTERS = 64 * 1024;

/** A body of text that is generated while it is read: a long listing is never in memory as a whole. */
export function textStream(texts: Iterator<string> | AsyncIterator<string>): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
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
    },
    async cancel() {
      await texts.return?.();
    },
  });
}
