import { KeepError } from '../errors.ts';
import { type Chunks, NEWLINE, Tokenizer } from './line-tokens.ts';
import { isLocatorToken } from './locator-token.ts';

const SLICE_BYTES = 65_536;
const ASCII_END = 0x80;
const latin1 = new TextDecoder('latin1');

/** A growing output buffer, reused from chunk to chunk. */
class Output {
  #bytes = new Uint8Array(2 * SLICE_BYTES);
  #length = 0;

  /** Adds `bytes[start, end)` and one byte more. */
  add(bytes: Uint8Array, start: number, end: number, delimiter: number): void {
    this.#reserve(end - start + 1);
    for (let i = start; i < end; i++) this.#bytes[this.#length++] = bytes[i] as number;
    this.#bytes[this.#length++] = delimiter;
  }

  /** @throws KeepError invalid_record when the text is not ASCII, as a locator always is */
  addText(text: string, delimiter: number): void {
    this.#reserve(text.length + 1);
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i);
      if (code >= ASCII_END)
        throw new KeepError('invalid_record', { message: 'a locator in the manifest is not ASCII' });
      this.#bytes[this.#length++] = code;
    }
    this.#bytes[this.#length++] = delimiter;
  }

  take(): Uint8Array {
    const taken = this.#bytes.slice(0, this.#length);
    this.#length = 0;
    return taken;
  }

  #reserve(more: number): void {
    const needed = this.#length + more;
    if (needed <= this.#bytes.length) return;
    const larger = new Uint8Array(Math.max(needed, 2 * this.#bytes.length));
    larger.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = larger;
  }
}

/**
 * Replaces every locator of a manifest pushed in chunks by the result of `rewrite` (called with all hints); every other
 * byte stays as it is. The manifest is not checked: see ManifestParser. Errors from `rewrite` pass through.
 */
export class LocatorRewriter {
  readonly #rewrite: (locator: string) => string;
  readonly #tokens: Tokenizer;
  readonly #output = new Output();
  #atLineStart = true;

  constructor(rewrite: (locator: string) => string) {
    this.#rewrite = rewrite;
    this.#tokens = new Tokenizer(
      (bytes, start, end, delimiter) => this.#token(bytes, start, end, delimiter),
      'invalid_record',
    );
  }

  /** The rewritten text as far as it is complete, in chunks of about 64 KiB. */
  *push(chunk: Uint8Array): Generator<Uint8Array, void, undefined> {
    for (let from = 0; from < chunk.length; from += SLICE_BYTES) {
      this.#tokens.push(chunk.subarray(from, from + SLICE_BYTES));
      const rewritten = this.#output.take();
      if (rewritten.length > 0) yield rewritten;
    }
  }

  /** What came after the last space or newline, unchanged; a valid manifest has nothing there. */
  end(): Uint8Array {
    return this.#tokens.rest().slice();
  }

  #token(bytes: Uint8Array, start: number, end: number, delimiter: number): void {
    if (!this.#atLineStart && isLocatorToken(bytes, start, end)) {
      this.#output.addText(this.#rewrite(latin1.decode(bytes.subarray(start, end))), delimiter);
    } else {
      this.#output.add(bytes, start, end, delimiter);
    }
    this.#atLineStart = delimiter === NEWLINE;
  }
}

/**
 * The manifest with every locator replaced: to sign them (`createSigner`), or to check and strip signatures.
 * Streams at the consumer's pace; a ReadableStream of it is `ReadableStream.from(rewriteLocators(…))`.
 */
export async function* rewriteLocators(
  chunks: Chunks,
  rewrite: (locator: string) => string,
): AsyncGenerator<Uint8Array, void, undefined> {
  const rewriter = new LocatorRewriter(rewrite);
  for await (const chunk of chunks) yield* rewriter.push(chunk);
  const rest = rewriter.end();
  if (rest.length > 0) yield rest;
}
