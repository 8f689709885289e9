const PIECE_CHARS = 65_536;
const encoder = new TextEncoder();

/** A manifest of `segments` files on one block, with which 1.3 million make about 50 MB, in pieces. */
export function* manifestPieces(locator: string, segments: number): Generator<string, void, undefined> {
  let text = `. ${locator}`;
  for (let i = 0; i < segments; i++) {
    text += ` ${i * 40}:40:dir${i % 1000}/the-file-number-${i}`;
    if (text.length < PIECE_CHARS) continue;
    yield text;
    text = '';
  }
  yield `${text}\n`;
}

/** A record with a manifest as a JSON body. The manifest's text must need no escapes but for its newlines. */
export function recordBody(manifest: Iterable<string>): ReadableStream<Uint8Array> {
  const pieces = (function* () {
    yield '{"collection":{"name":"large","manifest_text":"';
    for (const piece of manifest) yield piece.replaceAll('\n', '\\n');
    yield '"}}';
  })();
  return new ReadableStream({
    pull(controller) {
      const { done, value } = pieces.next();
      if (done) controller.close();
      else controller.enqueue(encoder.encode(value));
    },
  });
}
