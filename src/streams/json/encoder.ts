const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const FIRST_PRINTABLE = 0x20;
const HEX = '0123456789abcdef';
/** Control characters with a short escape. */
const SHORT: Record<number, number> = { 8: 0x62, 9: 0x74, 10: 0x6e, 12: 0x66, 13: 0x72 };
const LONG_ESCAPE_LENGTH = 6;

/** UTF-8 text as it stands between the quotes of a JSON string. Chunks may be cut anywhere. */
export function escapeJsonText(text: Uint8Array): Uint8Array {
  let length = text.length;
  for (let i = 0; i < text.length; i++) {
    const byte = text[i] as number;
    if (byte === QUOTE || byte === BACKSLASH) length++;
    else if (byte < FIRST_PRINTABLE) length += SHORT[byte] === undefined ? LONG_ESCAPE_LENGTH - 1 : 1;
  }
  if (length === text.length) return text;
  const out = new Uint8Array(length);
  let at = 0;
  for (let i = 0; i < text.length; i++) {
    const byte = text[i] as number;
    if (byte >= FIRST_PRINTABLE && byte !== QUOTE && byte !== BACKSLASH) {
      out[at++] = byte;
      continue;
    }
    out[at++] = BACKSLASH;
    const short = SHORT[byte];
    if (short !== undefined) out[at++] = short;
    else if (byte >= FIRST_PRINTABLE) out[at++] = byte;
    else {
      for (const char of `u00${HEX[byte >> 4]}${HEX[byte & 15]}`) out[at++] = char.charCodeAt(0);
    }
  }
  return out;
}

/** Inside a JSON document: a string whose text comes from a stream when its turn has come. */
export class TextStream {
  readonly chunks: AsyncIterable<Uint8Array>;

  constructor(chunks: AsyncIterable<Uint8Array>) {
    this.chunks = chunks;
  }
}

/** A value as JSON in chunks; TextStreams in it are read one after the other, at the reader's pace. */
export async function* jsonChunks(value: unknown): AsyncGenerator<Uint8Array, void, undefined> {
  const streams: TextStream[] = [];
  // A random mark: no text from outside can contain it.
  const mark = crypto.randomUUID();
  const text = JSON.stringify(value, (_, part: unknown) => {
    if (!(part instanceof TextStream)) return part;
    streams.push(part);
    return mark;
  });
  const encoder = new TextEncoder();
  for (const [index, fixed] of text.split(mark).entries()) {
    yield encoder.encode(fixed);
    const stream = streams[index];
    if (stream === undefined) continue;
    for await (const chunk of stream.chunks) yield escapeJsonText(chunk);
  }
}
