import { type ErrorCode, KeepError } from '../errors.ts';

/** Bytes of a manifest, in chunks of any size; a ReadableStream is one too. */
export type Chunks = AsyncIterable<Uint8Array> | Iterable<Uint8Array>;

export const SPACE = 0x20;
export const NEWLINE = 0x0a;

/** No token may be longer: a token is the only part of a manifest that is held whole. */
export const MAX_TOKEN_BYTES = 1_048_576;
const FIRST_CARRY_BYTES = 1024;

/**
 * Called for each token, which is `bytes[start, end)` and valid during the call only, and the byte that ended it.
 */
export type TokenHandler = (bytes: Uint8Array, start: number, end: number, delimiter: number) => void;

/**
 * Cuts the bytes pushed into it at single spaces and newlines, across the borders of chunks. Holds at most one token.
 */
export class Tokenizer {
  readonly #onToken: TokenHandler;
  readonly #code: ErrorCode;
  #carry = new Uint8Array(FIRST_CARRY_BYTES);
  #carried = 0;

  /** @param code what a token that is too long is thrown as */
  constructor(onToken: TokenHandler, code: ErrorCode) {
    this.#onToken = onToken;
    this.#code = code;
  }

  push(chunk: Uint8Array): void {
    const onToken = this.#onToken;
    const end = chunk.length;
    let start = 0;
    for (let i = 0; i < end; i++) {
      const byte = chunk[i] as number;
      if (byte > SPACE || (byte !== SPACE && byte !== NEWLINE)) continue;
      if (this.#carried === 0) {
        onToken(chunk, start, i, byte);
      } else {
        this.#keep(chunk.subarray(start, i));
        const length = this.#carried;
        this.#carried = 0;
        onToken(this.#carry, 0, length, byte);
      }
      start = i + 1;
    }
    this.#keep(chunk.subarray(start));
  }

  /** What came after the last delimiter. */
  rest(): Uint8Array {
    return this.#carry.subarray(0, this.#carried);
  }

  #keep(bytes: Uint8Array): void {
    const length = this.#carried + bytes.length;
    if (length > MAX_TOKEN_BYTES) {
      throw new KeepError(this.#code, { message: `the manifest has a token of over ${MAX_TOKEN_BYTES} bytes` });
    }
    if (length > this.#carry.length) {
      const larger = new Uint8Array(Math.max(length, 2 * this.#carry.length));
      larger.set(this.#carry.subarray(0, this.#carried));
      this.#carry = larger;
    }
    this.#carry.set(bytes, this.#carried);
    this.#carried = length;
  }
}
