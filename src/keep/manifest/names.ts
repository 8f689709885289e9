/**
 * Names in manifests are bytes, here they are strings. Bytes that are not UTF-8 become lone surrogates (0x80 is
 * U+DC80), as Python does it, so that no two names fall together and every name can be written back.
 */

const BACKSLASH = 0x5c;
const LONE_SURROGATE = 0xdc00;
/** The complement of what is written as it is: bytes to 0x20, ':', '\', and lone surrogates. */
const NEEDS_ESCAPE = /[^!-9;-[\]-\u{10ffff}]|\p{Cs}/gu;
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
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
  try {
    utf8.decode(bytes);
    return true;
  } catch {
    return false;
  }
}

/** The string for a name's bytes; nameBytes is its inverse. */
export function decodeName(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes);
  } catch {
    return decodeLossless(bytes);
  }
}

/** The bytes of a name, without escapes. */
export function nameBytes(name: string): Uint8Array {
  if (name.isWellFormed()) return encoder.encode(name);
  const out: number[] = [];
  for (const char of name) {
    const byte = char.length === 1 ? invalidByte(char.charCodeAt(0)) : null;
    if (byte === null) out.push(...encoder.encode(char));
    else out.push(byte);
  }
  return Uint8Array.from(out);
}

/** Orders names by their bytes, as manifests do; strings compare by UTF-16 units, which differs for some. */
export function compareNames(a: string, b: string): number {
  const shorter = Math.min(a.length, b.length);
  for (let i = 0; i < shorter; i++) {
    const unitA = a.charCodeAt(i);
    const unitB = b.charCodeAt(i);
    if (unitA === unitB) continue;
    return unitA < 0xd800 && unitB < 0xd800 ? unitA - unitB : compareBytes(nameBytes(a), nameBytes(b));
  }
  return a.length - b.length;
}

function compareBytes(a: Uint8Array, b: Uint8Array): number {
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
  let text = '';
  for (let from = 0; from < bytes.length; ) {
    const length = sequenceLength(bytes, from);
    text +=
      length === 0
        ? String.fromCharCode(LONE_SURROGATE + (bytes[from] as number))
        : utf8.decode(bytes.subarray(from, from + length));
    from += length || 1;
  }
  return text;
}

/** Length of the UTF-8 sequence at `from`, or 0 if there is none. */
function sequenceLength(bytes: Uint8Array, from: number): number {
  const lead = bytes[from] as number;
  if (lead < 0x80) return 1;
  const length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  return from + length <= bytes.length && isUtf8(bytes.subarray(from, from + length)) ? length : 0;
}
