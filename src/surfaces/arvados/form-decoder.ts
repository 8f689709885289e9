import { KeepError } from '../../keep/errors.ts';

const AMPERSAND = 0x26;
const EQUALS = 0x3d;
const PERCENT = 0x25;
const PLUS = 0x2b;
const SPACE = 0x20;
/** A form holds parameters and one record: no API call has longer names or more of them. */
const MAX_NAME_BYTES = 1024;
const MAX_FIELDS = 1000;

/** A chunk of a form's value; `last` when the value is complete. */
export interface FormChunk {
  name: string;
  bytes: Uint8Array;
  last: boolean;
}

/** Decodes `application/x-www-form-urlencoded` chunk by chunk. Keeps a name and an escape, never a value. */
export class FormDecoder {
  #name: string | null = null;
  #nameBytes: number[] = [];
  #escape: number[] | null = null;
  #fields = 0;

  *push(chunk: Uint8Array): Generator<FormChunk, void, undefined> {
    // One buffer for all values of the chunk: each is the part of it from `start` on.
    const out = new Uint8Array(chunk.length);
    let start = 0;
    let length = 0;
    for (const byte of chunk) {
      if (this.#escape === null && this.#name === null && byte === EQUALS) {
        this.#name = decode(this.#nameBytes);
        this.#nameBytes = [];
        continue;
      }
      if (this.#escape === null && byte === AMPERSAND) {
        yield* this.#finish(out.subarray(start, length));
        start = length;
        continue;
      }
      const decoded = this.#byte(byte);
      if (decoded === null) continue;
      if (this.#name === null) this.#keepName(decoded);
      else out[length++] = decoded;
    }
    if (length > start && this.#name !== null && this.#name !== '')
      yield { name: this.#name, bytes: out.subarray(start, length), last: false };
  }

  *end(): Generator<FormChunk, void, undefined> {
    if (this.#escape !== null) throw malformed();
    yield* this.#finish(new Uint8Array());
  }

  *#finish(bytes: Uint8Array): Generator<FormChunk, void, undefined> {
    const name = this.#name ?? decode(this.#nameBytes);
    this.#name = null;
    this.#nameBytes = [];
    if (name === '') return;
    if (++this.#fields > MAX_FIELDS) throw tooLarge(`a form has at most ${MAX_FIELDS} parameters`);
    yield { name, bytes, last: true };
  }

  #keepName(byte: number): void {
    if (this.#nameBytes.length === MAX_NAME_BYTES)
      throw tooLarge(`a parameter's name holds at most ${MAX_NAME_BYTES} bytes`);
    this.#nameBytes.push(byte);
  }

  #byte(byte: number): number | null {
    if (this.#escape === null) {
      if (byte !== PERCENT) return byte === PLUS ? SPACE : byte;
      this.#escape = [];
      return null;
    }
    this.#escape.push(byte);
    if (this.#escape.length < 2) return null;
    const digits = String.fromCharCode(...this.#escape);
    this.#escape = null;
    if (!/^[0-9a-fA-F]{2}$/.test(digits)) throw malformed();
    return Number.parseInt(digits, 16);
  }
}

function decode(bytes: number[]): string {
  return bytes.length === 0 ? '' : new TextDecoder().decode(Uint8Array.from(bytes));
}

function malformed(): KeepError {
  return new KeepError('bad_request', { message: 'the form in the request body is not well-formed' });
}

function tooLarge(message: string): KeepError {
  return new KeepError('too_large', { message });
}
