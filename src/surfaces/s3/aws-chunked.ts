import { S3Error } from './errors.ts';

/** What a body in `aws-chunked` form consists of. */
export type ChunkEvent =
  /** A chunk begins; the last one is empty. */
  | { kind: 'chunk'; size: number; signature: string | null }
  | { kind: 'content'; bytes: Uint8Array }
  /** `text` is what a signature of the trailers covers. */
  | { kind: 'end'; trailers: Map<string, string>; text: string; signature: string | null };

const MAX_LINE_BYTES = 1024;
const MAX_TRAILERS = 20;
const CR = 0x0d;
const LF = 0x0a;
const HEADER = /^([0-9a-fA-F]{1,14})(?:;chunk-signature=([0-9a-f]{64}))?$/;
const TRAILER_SIGNATURE = 'x-amz-trailer-signature';

/**
 * Parses the framing of a body, wherever the chunks that it comes in begin and end. Nothing of the framing is ever given
 * out as content.
 */
export class ChunkParser {
  readonly #isSigned: boolean;
  readonly #hasTrailers: boolean;
  #state: 'header' | 'content' | 'after' | 'trailers' | 'done' = 'header';
  #left = 0;
  #line: number[] = [];
  readonly #trailers = new Map<string, string>();
  #text = '';

  constructor({ isSigned, hasTrailers }: { isSigned: boolean; hasTrailers: boolean }) {
    this.#isSigned = isSigned;
    this.#hasTrailers = hasTrailers;
  }

  /** Whether the body has ended. */
  get isDone(): boolean {
    return this.#state === 'done';
  }

  /** @throws S3Error InvalidRequest, MalformedTrailerError */
  *push(bytes: Uint8Array): Generator<ChunkEvent, void, undefined> {
    for (let at = 0; at < bytes.byteLength; ) {
      if (this.#state === 'content') {
        const end = Math.min(bytes.byteLength, at + this.#left);
        this.#left -= end - at;
        if (this.#left === 0) this.#state = 'after';
        yield { kind: 'content', bytes: bytes.subarray(at, end) };
        at = end;
        continue;
      }
      if (this.#state === 'done') throw malformed('goes on behind its end');
      const line = this.#lineWith(bytes[at++] ?? 0);
      if (line !== null) yield* this.#take(line);
    }
  }

  #lineWith(byte: number): string | null {
    const isEnd = byte === LF && this.#line.at(-1) === CR;
    if (!isEnd) {
      // Only a line's end has either of them.
      if (byte === LF || this.#line.at(-1) === CR) throw malformed('has a line that does not end with CR and LF');
      if (this.#line.length >= MAX_LINE_BYTES) throw malformed(`has a line of more than ${MAX_LINE_BYTES} bytes`);
      this.#line.push(byte);
      return null;
    }
    const line = String.fromCharCode(...this.#line.slice(0, -1));
    this.#line = [];
    return line;
  }

  *#take(line: string): Generator<ChunkEvent, void, undefined> {
    if (this.#state === 'after') {
      if (line !== '') throw malformed('has a chunk that is longer than it says');
      this.#state = 'header';
    } else if (this.#state === 'header') {
      const [, digits, signature = null] = HEADER.exec(line) ?? [];
      const size = Number.parseInt(digits ?? '', 16);
      if (!Number.isSafeInteger(size)) throw malformed('has a chunk without a size');
      if (this.#isSigned !== (signature !== null))
        throw malformed(
          this.#isSigned ? 'has a chunk without a signature' : 'has a signature where none was announced',
        );
      this.#left = size;
      this.#state = size > 0 ? 'content' : 'trailers';
      yield { kind: 'chunk', size, signature };
    } else if (line === '') {
      this.#state = 'done';
      const signature = this.#trailers.get(TRAILER_SIGNATURE) ?? null;
      this.#trailers.delete(TRAILER_SIGNATURE);
      yield { kind: 'end', trailers: this.#trailers, text: this.#text, signature };
    } else this.#addTrailer(line);
  }

  #addTrailer(line: string): void {
    if (!this.#hasTrailers) throw malformed('has trailers where none were announced');
    const colon = line.indexOf(':');
    const name = line.slice(0, Math.max(0, colon)).trim().toLowerCase();
    if (name === '' || this.#trailers.size >= MAX_TRAILERS || this.#trailers.has(name))
      throw new S3Error('MalformedTrailerError');
    const value = line.slice(colon + 1).trim();
    this.#trailers.set(name, value);
    if (name !== TRAILER_SIGNATURE) this.#text += `${name}:${value}\n`;
  }
}

function malformed(why: string): S3Error {
  return new S3Error('InvalidRequest', `the aws-chunked body ${why}`);
}
