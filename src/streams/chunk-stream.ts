/** Chunks of a generator as a byte stream, made as they are read. */
export function streamOfChunks(chunks: Generator<Uint8Array> | AsyncGenerator<Uint8Array>): ReadableStream<Uint8Array> {
  return new ReadableStream({
    type: 'bytes',
    async pull(controller) {
      const { value, done } = await chunks.next();
      if (done === true) controller.close();
      else if (value.byteLength > 0) controller.enqueue(value);
    },
    async cancel() {
      await chunks.return(undefined);
    },
  });
}
