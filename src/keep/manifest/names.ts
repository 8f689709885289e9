/**
 * Names in manifests are bytes, here they are strings. Bytes that are not UTF-8 become lone surrogates (0x80 is
 * U+DC80), as Python does it, so that no two names fall together and every name can be written back.
 */

const BACKSLASH = 0x5c;
const LONE_SURROGATE = 0xdc00;
/** The complement of what is written as it is: bytes to 0x20, ':', '\', and lone surrogates. */
const NEEDS_ESCAPE = /[^!-9;-[\]-\u{10ffff}]|\p{Cs}/gu;
const REPLACEMENT = '\ufffd';
/** Bytes of the longest UTF-8 sequence. */
const MAX_SEQUENCE = 4;
/** Bytes that one unit of a JavaScript string can become. */
const MAX_BYTES_PER_UNIT = 3;
/** Arguments of one call to String.fromCharCode: they are put on the stack. */
const UNITS_PER_CALL = 4096;
const utf8 = new TextDecoder('utf-8', { fatal: false, ignoreBOM: true });
const encoder = new TextEncoder();

/** A name or path as written in a manifest: spaces, colons, backslashes, control bytes and invalid UTF-8 as `\ooo`. */
export function escapeName(name: string): string {
  return name.replace(NEEDS_ESCAPE, (char) => {
    const code = char.charCodeAt(0);
    const byte = code < 0x80 ? code : invalidByte(code);
    return byte === null ? '\ufffd' : `\\${byte.toString(8).padStart(3, '0')}`;
  });
}

/**
 * The bytes behind the escapes `\ooo`. Strict: null unless every backslash begins one below \400. Lenient: `\\` is a
 * backslash too, and a backslash that begins no escape stays.
 */
export function unescapeBytes(bytes: Uint8Array, strict: boolean): Uint8Array | null {
  let from = bytes.indexOf(BACKSLASH);
  if (from < 0) return bytes;
  const out = new Uint8Array(bytes.length);
  out.set(bytes.subarray(0, from));
  let length = from;
  while (from < bytes.length) {
    const byte = bytes[from] as number;
    const escaped = byte === BACKSLASH ? octal(bytes, from + 1) : null;
    if (escaped !== null) {
      out[length++] = escaped;
      from += 4;
    } else {
      if (byte === BACKSLASH) {
        if (strict) return null;
        if (bytes[from + 1] === BACKSLASH) from++;
      }
      out[length++] = byte;
      from++;
    }
  }
  return out.subarray(0, length);
}

/** Whether the bytes are UTF-8. */
export function isUtf8(bytes: Uint8Array): boolean {
  for (let at = 0; at < bytes.length; ) {
    const length = sequenceLength(bytes, at);
    if (length === 0) return false;
    at += length;
  }
  return true;
}

/** The string for a name's bytes; nameBytes is its inverse. */
export function decodeName(bytes: Uint8Array): string {
  const text = utf8.decode(bytes);
  // The decoder writes U+FFFD for what is not UTF-8. (A fatal decoder throws, which costs 24 µs each time.)
  return text.includes(REPLACEMENT) ? decodeLossless(bytes) : text;
}

/** The bytes of a name, without escapes. */
export function nameBytes(name: string): Uint8Array {
  if (name.isWellFormed()) return encoder.encode(name);
  const out = new Uint8Array(MAX_BYTES_PER_UNIT * name.length);
  let length = 0;
  for (let at = 0; at < name.length; at++) {
    const code = name.codePointAt(at) ?? 0;
    if (code > 0xffff) at++;
    const byte = invalidByte(code);
    if (byte !== null) out[length++] = byte;
    else length = putUtf8(out, length, code >= 0xd800 && code <= 0xdfff ? 0xfffd : code);
  }
  return out.slice(0, length);
}

/** Orders names by their bytes, as manifests do; strings compare by UTF-16 units, which differs for some. */
export function compareNames(a: string, b: string): number {
  const shorter = Math.min(a.length, b.length);
  for (let i = 0; i < shorter; i++) {
    const unitA = a.charCodeAt(i);
    const unitB = b.charCodeAt(i);
    if (unitA === unitB) continue;
    if (unitA < 0xd800 && unitB < 0xd800) return unitA - unitB;
    // Not from the middle of a surrogate pair.
    const from = i > 0 && isHighSurrogate(a.charCodeAt(i - 1)) ? i - 1 : i;
    return compareTails(a, b, from);
  }
  return a.length - b.length;
}

/** Names differ within their first characters from `from` on: a few bytes decide, however long the names are. */
function compareTails(a: string, b: string, from: number): number {
  const start = (name: string) => nameBytes(name.slice(from, from + MAX_SEQUENCE + 1)).subarray(0, MAX_SEQUENCE);
  return compareBytes(start(a), start(b)) || compareBytes(nameBytes(a.slice(from)), nameBytes(b.slice(from)));
}

/** Orders bytes as memcmp does, a beginning before what goes on. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const shorter = Math.min(a.length, b.length);
  for (let i = 0; i < shorter; i++) {
    const difference = (a[i] as number) - (b[i] as number);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

/** The value of the three octal digits at `at`, or null if they are not there or make more than a byte. */
function octal(bytes: Uint8Array, at: number): number | null {
  let value = 0;
  for (let i = at; i < at + 3; i++) {
    const digit = (bytes[i] ?? 0) - 0x30;
    if (digit < 0 || digit > 7) return null;
    value = value * 8 + digit;
  }
  return value > 0xff ? null : value;
}

function invalidByte(unit: number): number | null {
  const byte = unit - LONE_SURROGATE;
  return byte >= 0x80 && byte <= 0xff ? byte : null;
}

function decodeLossless(bytes: Uint8Array): string {
  const units = new Uint16Array(bytes.length);
  let length = 0;
  for (let at = 0; at < bytes.length; ) {
    const lead = bytes[at] as number;
    const sequence = sequenceLength(bytes, at);
    if (sequence <= 1) {
      units[length++] = sequence === 0 ? LONE_SURROGATE + lead : lead;
      at++;
      continue;
    }
    let code = lead & (0x7f >> sequence);
    for (let i = 1; i < sequence; i++) code = (code << 6) | ((bytes[at + i] as number) & 0x3f);
    at += sequence;
    if (code > 0xffff) {
      units[length++] = 0xd7c0 + (code >> 10);
      units[length++] = 0xdc00 | (code & 0x3ff);
    } else {
      units[length++] = code;
    }
  }
  let text = '';
  for (let from = 0; from < length; from += UNITS_PER_CALL)
    text += String.fromCharCode(...units.subarray(from, Math.min(length, from + UNITS_PER_CALL)));
  return text;
}

/** Writes a code point that is no surrogate at `at`; returns where it ends. */
function putUtf8(out: Uint8Array, at: number, code: number): number {
  if (code < 0x80) {
    out[at] = code;
    return at + 1;
  }
  const length = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
  out[at] = ((0xf00 >> length) & 0xff) | (code >> (6 * (length - 1)));
  for (let i = 1; i < length; i++) out[at + i] = 0x80 | ((code >> (6 * (length - 1 - i))) & 0x3f);
  return at + length;
}

/** Length of the UTF-8 sequence at `at`, or 0 if there is none: overlong forms and surrogates are none. */
function sequenceLength(bytes: Uint8Array, at: number): number {
  const lead = bytes[at] as number;
  if (lead < 0x80) return 1;
  if (lead < 0xc2 || lead > 0xf4) return 0;
  const second = bytes[at + 1] ?? 0;
  const lowest = lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80;
  const highest = lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf;
  if (second < lowest || second > highest) return 0;
  const length = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  for (let i = 2; i < length; i++) if (((bytes[at + i] ?? 0) & 0xc0) !== 0x80) return 0;
  return length;
}

function isHighSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit < 0xdc00;
}
