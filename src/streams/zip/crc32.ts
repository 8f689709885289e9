/** The polynomial of ZIP's CRC-32, bits reversed. */
const POLYNOMIAL = 0xedb88320;

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
