/** The polynomial of ZIP's CRC-32, bits reversed. */
const POLYNOMIAL = 0xedb88320;

/** Bytes that one step takes, each by a table of its own. */
const STEP = 8;

/** For each byte of a step, the last one first: what its values become by the end of the step. */
const TABLES = (() => {
  const tables = new Uint32Array(STEP * 256);
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1;
    tables[byte] = crc;
  }
  for (let at = 256; at < tables.length; at++) {
    const before = tables[at - 256] ?? 0;
    tables[at] = (before >>> 8) ^ (tables[before & 0xff] ?? 0);
  }
  return tables;
})();

/** CRC-32 of bytes at hand. Long bodies go through the runtime's own (crc32-stream.ts). */
export function crc32(bytes: Uint8Array): number {
  const of = (place: number, byte: number) => TABLES[place * 256 + (byte & 0xff)] ?? 0;
  const byteAt = (at: number) => bytes[at] ?? 0;
  let crc = 0xffffffff;
  let at = 0;
  for (; at + STEP <= bytes.length; at += STEP) {
    const mixed = crc ^ (byteAt(at) | (byteAt(at + 1) << 8) | (byteAt(at + 2) << 16) | (byteAt(at + 3) << 24));
    crc =
      of(7, mixed) ^
      of(6, mixed >>> 8) ^
      of(5, mixed >>> 16) ^
      of(4, mixed >>> 24) ^
      of(3, byteAt(at + 4)) ^
      of(2, byteAt(at + 5)) ^
      of(1, byteAt(at + 6)) ^
      of(0, byteAt(at + 7));
  }
  for (; at < bytes.length; at++) crc = of(0, crc ^ byteAt(at)) ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}

/** CRC-32 of `a` followed by `b`, from the two checksums and the length of `b` in bytes. */
export function combineCrc32(a: number, b: number, lengthOfB: number): number {
  return (multiply(powerOfX(lengthOfB), a) ^ b) >>> 0;
}

/** CRC-32 of `b`, from the checksums of `a` followed by `b`, and of `a`. @param lengthOfB in bytes */
export function cutCrc32(whole: number, a: number, lengthOfB: number): number {
  // The same as above: what `a` contributes is taken away as it was added.
  return combineCrc32(a, whole, lengthOfB);
}

/** x^(2^k) for k = 0..31, polynomials modulo POLYNOMIAL with the highest power in the lowest bit. */
const SQUARES = (() => {
  const squares = new Uint32Array(32);
  let power = 1 << 30;
  for (let k = 0; k < squares.length; k++) {
    squares[k] = power;
    power = multiply(power, power);
  }
  return squares;
})();

let lastLength = 0;
let lastPower = 1 << 31;

/** x^(8 * bytes): what appending that many zero bytes multiplies a checksum by. Blocks in a row have one length. */
function powerOfX(bytes: number): number {
  if (bytes !== lastLength) {
    lastPower = computePower(bytes);
    lastLength = bytes;
  }
  return lastPower;
}

function computePower(bytes: number): number {
  let result = 1 << 31;
  for (let rest = bytes, k = 3; rest > 0; rest = Math.floor(rest / 2), k++) {
    if (rest % 2 === 1) result = multiply(SQUARES[k & 31] ?? 0, result);
  }
  return result;
}

function multiply(a: number, b: number): number {
  let product = 0;
  let factor = b;
  for (let bit = 1 << 31; bit !== 0; bit >>>= 1) {
    if (a & bit) product ^= factor;
    factor = factor & 1 ? (factor >>> 1) ^ POLYNOMIAL : factor >>> 1;
  }
  return product >>> 0;
}
