/** CRCs by the polynomial with reversed bits, and the width in bits. All start and end with all bits inverted. */
const KINDS = {
  crc32: { polynomial: 0xedb88320n, width: 32n },
  crc32c: { polynomial: 0x82f63b78n, width: 32n },
  crc64nvme: { polynomial: 0x9a6c9329ac4bc9b5n, width: 64n },
} as const;

export type CrcName = keyof typeof KINDS;

export function isCrc(name: string): name is CrcName {
  return Object.hasOwn(KINDS, name);
}

/** The CRC of parts one after another, from that of each part and its length in bytes. Bytes: most significant first. */
export function combineCrcs(name: CrcName, parts: Iterable<{ crc: Uint8Array; length: number }>): Uint8Array {
  const { polynomial, width } = KINDS[name];
  const multiply = (a: bigint, b: bigint): bigint => {
    let product = 0n;
    let factor = b;
    for (let bit = 1n << (width - 1n); bit !== 0n; bit >>= 1n) {
      if ((a & bit) !== 0n) product ^= factor;
      factor = (factor & 1n) === 0n ? factor >> 1n : (factor >> 1n) ^ polynomial;
    }
    return product;
  };
  /** x^(8 * bytes), the highest power in the lowest bit. */
  const powerOf = (bytes: number): bigint => {
    let result = 1n << (width - 1n);
    // x^8
    let square = 1n << (width - 9n);
    for (let rest = bytes; rest > 0; rest = Math.floor(rest / 2)) {
      if (rest % 2 === 1) result = multiply(square, result);
      square = multiply(square, square);
    }
    return result;
  };
  // Parts mostly have one length.
  const powers = new Map<number, bigint>();
  let total = 0n;
  for (const { crc, length } of parts) {
    const power = powers.get(length) ?? powerOf(length);
    if (powers.size < 100) powers.set(length, power);
    total = multiply(power, total) ^ toNumber(crc);
  }
  return Uint8Array.from({ length: Number(width) / 8 }, (_, i) =>
    Number((total >> (width - 8n * BigInt(i + 1))) & 0xffn),
  );
}

function toNumber(bytes: Uint8Array): bigint {
  return bytes.reduce((value, byte) => (value << 8n) | BigInt(byte), 0n);
}
