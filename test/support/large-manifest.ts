const CHUNK_CHARS = 65_536;
const encoder = new TextEncoder();

/** A manifest of `segments` files on one block, with which 1.3 million make about 50 MB, in chunks. */
export function* manifestChunks(locator: string, segments: number): Generator<string, void, undefined> {
  let text = `. ${locator}`;
  for (let i = 0; i < segments; i++) {
    text += ` ${i * 40}:40:dir${i % 1000}/the-file-number-${i}`;
    if (text.length < CHUNK_CHARS) continue;
    yield text;
    text = '';
  }
  yield `${text}\n`;
}

/** A record with a manifest as a JSON body. The manifest's text must need no escapes but for its newlines. */
export function recordBody(manifest: Iterable<string>): ReadableStream<Uint8Array> {
  const chunks = (function* () {
    yield '{"collection":{"name":"large","manifest_text":"';
    for (const chunk of manifest) yield chunk.replaceAll('\n', '\\n');
    yield '"}}';
  })();
  return new ReadableStream({
    pull(controller) {
      const { done, value } = chunks.next();
      if (done) controller.close();
      else controller.enqueue(encoder.encode(value));
    },
  });
}
