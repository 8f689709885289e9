const FIRST_SLOTS = 1 << 16;
const FILLED = 0.6;

/** MD5s in 8 bytes each, for tens of millions of them: two that begin with the same 64 bits count as one. */
export interface HashSet {
  has(hash: string): boolean;
  /** @returns whether it is new */
  add(hash: string): boolean;
}

export function createHashSet(): HashSet {
  let slots = new BigUint64Array(FIRST_SLOTS);
  let size = 0;
  // 0 marks a free slot.
  const keyOf = (hash: string) => BigInt(`0x${hash.slice(0, 16)}`) || 1n;
  const slotOf = (table: BigUint64Array, key: bigint) => {
    let at = Number(key % BigInt(table.length));
    while (table[at] !== 0n && table[at] !== key) at = (at + 1) % table.length;
    return at;
  };
  const grow = () => {
    const larger = new BigUint64Array(slots.length * 2);
    for (const key of slots) if (key !== 0n) larger[slotOf(larger, key)] = key;
    slots = larger;
  };
  return {
    has: (hash) => {
      const key = keyOf(hash);
      return slots[slotOf(slots, key)] === key;
    },
    add(hash) {
      const key = keyOf(hash);
      const at = slotOf(slots, key);
      if (slots[at] === key) return false;
      slots[at] = key;
      if (++size > slots.length * FILLED) grow();
      return true;
    },
  };
}
