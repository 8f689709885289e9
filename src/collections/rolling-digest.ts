/**
 * A digest of a sequence: a polynomial modulo each of five primes below 2^26, whose products are exact in a double.
 * Unlike that of MD5, the digest of any part of a sequence follows from two prefixes: m files over n blocks need not
 * look at n x m of them.
 */
const PRIMES = [67_108_859, 67_108_837, 67_108_819, 67_108_777, 67_108_763];
const BASES = [23_456_789, 34_567_891, 45_678_912, 56_789_123, 61_234_567];
const LANES = PRIMES.length;

/** The state after some items. */
export type Lanes = Float64Array;

export function noLanes(): Lanes {
  return new Float64Array(LANES);
}

/** Appends a hash of 16 bytes, which begins at `at`. */
export function addHash(lanes: Lanes, bytes: Uint8Array, at: number): void {
  const a = wordAt(bytes, at);
  const b = wordAt(bytes, at + 4);
  const c = wordAt(bytes, at + 8);
  const d = wordAt(bytes, at + 12);
  add(lanes, 0, a >>> 6);
  add(lanes, 1, ((a & 0x3f) << 20) | (b >>> 12));
  add(lanes, 2, ((b & 0xfff) << 14) | (c >>> 18));
  add(lanes, 3, ((c & 0x3ffff) << 8) | (d >>> 24));
  add(lanes, 4, d & 0xffffff);
}

/** Appends a number below 2^53. */
export function addNumber(lanes: Lanes, value: number): void {
  for (let lane = 0; lane < LANES; lane++) add(lanes, lane, value);
}

/** Appends the `items` hashes by which `after` is longer than `before`. */
export function addBetween(lanes: Lanes, before: Lanes, after: Lanes, items: number): void {
  for (let lane = 0; lane < LANES; lane++) {
    const prime = PRIMES[lane] ?? 1;
    const power = powerOf(BASES[lane] ?? 0, items, prime);
    const between = (after[lane] ?? 0) - (((before[lane] ?? 0) * power) % prime) + prime;
    lanes[lane] = ((lanes[lane] ?? 0) * power + (between % prime)) % prime;
  }
}

function add(lanes: Lanes, lane: number, value: number): void {
  const prime = PRIMES[lane] ?? 1;
  lanes[lane] = ((lanes[lane] ?? 0) * (BASES[lane] ?? 0) + (value % prime)) % prime;
}

function wordAt(bytes: Uint8Array, at: number): number {
  const [a = 0, b = 0, c = 0, d = 0] = [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]];
  return ((a << 24) | (b << 16) | (c << 8) | d) >>> 0;
}

function powerOf(base: number, exponent: number, prime: number): number {
  let result = 1;
  for (let square = base % prime, rest = exponent; rest > 0; rest = Math.floor(rest / 2)) {
    if (rest % 2 === 1) result = (result * square) % prime;
    square = (square * square) % prime;
  }
  return result;
}
