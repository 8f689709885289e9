import type { ManifestRules } from './rules.ts';

const HASH_LENGTH = 32;
const PLUS = 0x2b;
const MAX_REQUIRED_SIZE = 2 ** 31 - 1;

/** Classes of bytes in a locator. */
const HEX = 1;
const UPPERCASE = 2;
const IN_HINT = 4;
const KINDS = new Uint8Array(256);
mark('0123456789abcdefABCDEF', HEX);
mark('ABCDEFGHIJKLMNOPQRSTUVWXYZ', UPPERCASE);
mark('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789@_-', IN_HINT);

/** Whether a token in a locator's position is one: 32 hex digits, alone or before a plus sign. */
export function isLocatorToken(bytes: Uint8Array, start: number, end: number): boolean {
  const hashEnd = start + HASH_LENGTH;
  if (end < hashEnd || (end > hashEnd && bytes[hashEnd] !== PLUS)) return false;
  for (let i = start; i < hashEnd; i++) if (!is(HEX, bytes[i])) return false;
  return true;
}

/** The locator's size, null if it has none; undefined when the token is no locator by these rules. */
export function locatorSize(
  bytes: Uint8Array,
  start: number,
  end: number,
  rules: ManifestRules,
): number | null | undefined {
  if (!isLocatorToken(bytes, start, end)) return undefined;
  const sizeStart = start + HASH_LENGTH + 1;
  const sizeEnd = digitsEnd(bytes, sizeStart, end);
  const hasSize = sizeEnd > sizeStart && (sizeEnd === end || bytes[sizeEnd] === PLUS);
  const size = hasSize ? decimal(bytes, sizeStart, sizeEnd) : null;
  if (rules.sizeRequired && (size === null || size > MAX_REQUIRED_SIZE)) return undefined;
  if (size !== null && !Number.isSafeInteger(size)) return undefined;
  if (rules.strictHints && !areHints(bytes, hasSize ? sizeEnd : sizeStart - 1, end)) return undefined;
  return size;
}

/** The end of the run of decimal digits that begins at `start`. */
export function digitsEnd(bytes: Uint8Array, start: number, end: number): number {
  let i = start;
  while (i < end && (bytes[i] as number) >= 0x30 && (bytes[i] as number) <= 0x39) i++;
  return i;
}

/** The value of decimal digits; not exact, but then not a safe integer either, beyond 2^53. */
export function decimal(bytes: Uint8Array, start: number, end: number): number {
  let value = 0;
  for (let i = start; i < end; i++) value = value * 10 + ((bytes[i] as number) - 0x30);
  return value;
}

/** Whether the rest is hints only: each a plus sign, a capital letter, and more. */
function areHints(bytes: Uint8Array, start: number, end: number): boolean {
  for (let i = start; i < end; ) {
    if (bytes[i] !== PLUS || i + 1 === end || !is(UPPERCASE, bytes[i + 1])) return false;
    i += 2;
    while (i < end && is(IN_HINT, bytes[i])) i++;
  }
  return true;
}

function is(kind: number, byte: number | undefined): boolean {
  return ((KINDS[byte as number] as number) & kind) !== 0;
}

function mark(chars: string, kind: number): void {
  for (const char of chars) KINDS[char.charCodeAt(0)] = (KINDS[char.charCodeAt(0)] as number) | kind;
}
