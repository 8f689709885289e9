const NEWLINE = 10;

/** Lines of a text, without what ends them: one at a time, because there may be millions. */
export function* linesOf(text: Uint8Array): Generator<Uint8Array> {
  for (let from = 0; from < text.byteLength; ) {
    const newline = text.indexOf(NEWLINE, from);
    const end = newline < 0 ? text.byteLength : newline;
    yield text.subarray(from, end);
    from = end + 1;
  }
}
