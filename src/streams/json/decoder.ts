import { KeepError } from '../../keep/errors.ts';

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const FIRST_PRINTABLE = 0x20;
const UNICODE = 0x75;
const UNICODE_DIGITS = 4;
/** The byte after a backslash -> what the pair stands for. */
const SIMPLE = new Map([
  [0x22, 0x22],
  [0x5c, 0x5c],
  [0x2f, 0x2f],
  [0x62, 8],
  [0x66, 12],
  [0x6e, 10],
  [0x72, 13],
  [0x74, 9],
]);

const isHigh = (unit: number) => unit >= 0xd800 && unit < 0xdc00;
const isLow = (unit: number) => unit >= 0xdc00 && unit < 0xe000;

/** Decodes what stands between the quotes of one JSON string, pushed in chunks, to UTF-8. Holds a few bytes. */
export class JsonTextDecoder {
  /** After a backslash: what came of the escape so far, without it. */
  #escape: number[] | null = null;
  #high: number | null = null;

  /** Decodes from `start` to the closing quote or the end of the chunk; `end` is the index after what was read. */
  push(chunk: Uint8Array, start: number): { text: Uint8Array; end: number; closed: boolean } {
    // An escape of six bytes becomes at most three, a pair of twelve four; one may have begun in an earlier chunk.
    const out = new Uint8Array(chunk.length - start + 4);
    let length = 0;
    for (let i = start; i < chunk.length; i++) {
      const byte = chunk[i] as number;
      if (this.#escape !== null) {
        length = this.#continueEscape(byte, out, length);
      } else if (byte === BACKSLASH) {
        this.#escape = [];
      } else if (this.#high !== null || byte < FIRST_PRINTABLE) {
        throw malformed();
      } else if (byte === QUOTE) {
        return { text: out.subarray(0, length), end: i + 1, closed: true };
      } else {
        out[length++] = byte;
      }
    }
    return { text: out.subarray(0, length), end: chunk.length, closed: false };
  }

  #continueEscape(byte: number, out: Uint8Array, length: number): number {
    const pending = this.#escape ?? [];
    if (pending.length === 0 && byte !== UNICODE) {
      const simple = SIMPLE.get(byte);
      if (simple === undefined || this.#high !== null) throw malformed();
      this.#escape = null;
      out[length] = simple;
      return length + 1;
    }
    pending.push(byte);
    if (pending.length <= UNICODE_DIGITS) return length;
    this.#escape = null;
    const digits = String.fromCharCode(...pending.slice(1));
    if (!/^[0-9a-fA-F]{4}$/.test(digits)) throw malformed();
    return this.#unit(Number.parseInt(digits, 16), out, length);
  }

  #unit(unit: number, out: Uint8Array, length: number): number {
    const high = this.#high;
    this.#high = null;
    if (high === null && isHigh(unit)) {
      this.#high = unit;
      return length;
    }
    if (isLow(unit) !== (high !== null)) throw malformed();
    const code = high === null ? unit : 0x10000 + ((high - 0xd800) << 10) + (unit - 0xdc00);
    return length + new TextEncoder().encodeInto(String.fromCodePoint(code), out.subarray(length)).written;
  }
}

function malformed(): KeepError {
  return new KeepError('bad_request', { message: 'manifest_text is not a valid JSON string of valid Unicode' });
}
