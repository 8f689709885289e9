import { type Chunks, NEWLINE } from '../../keep/manifest/line-tokens.ts';

/** Makes one line of a manifest anew, from its bytes. */
export interface LineWriter {
  /** Bytes of the line, its newline included. */
  push(bytes: Uint8Array): void;
  /** What is complete. */
  take(): Iterable<Uint8Array>;
  /** What is left, once the whole line was pushed. */
  end(): Iterable<Uint8Array>;
}

/**
 * A text with some of its lines made anew.
 * @param writerOf the writer of the line with this number (from 0); null when it stays
 * @param keepsRest whether lines that stay come out
 */
export async function* rewriteLines(
  text: Chunks,
  writerOf: (line: number) => LineWriter | null,
  keepsRest: boolean,
): AsyncGenerator<Uint8Array, void, undefined> {
  let line = 0;
  let current = writerOf(line);
  for await (const chunk of text) {
    for (let from = 0; from < chunk.byteLength; ) {
      const newline = chunk.indexOf(NEWLINE, from);
      const end = newline < 0 ? chunk.byteLength : newline + 1;
      if (current !== null) {
        current.push(chunk.subarray(from, end));
        yield* current.take();
      } else if (keepsRest) yield chunk.subarray(from, end);
      from = end;
      if (newline < 0) break;
      if (current !== null) yield* current.end();
      current = writerOf(++line);
    }
  }
}
