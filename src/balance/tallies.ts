import type { ObjectStore } from '../storage/object-store.ts';
import type { RunRows } from './runs.ts';

/** No block of the collection has been seen yet. */
const UNSEEN = 255;
const MEMBER_PAGE = 20_000;

/** What one project or owner uses; blocks that several of its collections share count once. */
export interface Use {
  bytes: number;
  blocks: number;
}

/**
 * What a run finds out for each collection, and for projects and owners: arrays by the collection's number, 22 bytes for each.
 * Kept in memory between slices and in one file, so that a run that dies goes on.
 */
export class Tallies {
  /** Fewest copies of any block, 255 while none was seen. */
  readonly copies: Uint8Array;
  /** 1: some block lacks a copy in a wanted class. */
  readonly unmet: Uint8Array;
  /** Bytes of its distinct blocks. */
  readonly bytes: Float64Array;
  /** Its distinct blocks. */
  readonly blocks: Uint32Array;
  readonly #project: Uint32Array;
  readonly #owner: Uint32Array;
  /** By number: first all projects and owners as they come up. */
  readonly uses: (Use & { uuid: string })[] = [];
  readonly #numbers = new Map<string, number>();
  /** Distinct subjects of the block at hand. */
  readonly #seen = new Set<number>();

  constructor(count: number) {
    this.copies = new Uint8Array(count).fill(UNSEEN);
    this.unmet = new Uint8Array(count);
    this.bytes = new Float64Array(count);
    this.blocks = new Uint32Array(count);
    this.#project = new Uint32Array(count);
    this.#owner = new Uint32Array(count);
  }

  setMember(number: number, project: string, owner: string): void {
    this.#project[number] = this.#numberOf(project);
    this.#owner[number] = this.#numberOf(owner);
  }

  /** Counts one block for all that name it. */
  add(collections: Uint32Array, size: number, copies: number, isMet: boolean): void {
    this.#seen.clear();
    for (const number of collections) {
      this.copies[number] = Math.min(this.copies[number] ?? UNSEEN, Math.min(copies, UNSEEN - 1));
      if (!isMet) this.unmet[number] = 1;
      this.bytes[number] = (this.bytes[number] ?? 0) + size;
      this.blocks[number] = (this.blocks[number] ?? 0) + 1;
      this.#seen.add(this.#project[number] ?? 0);
      this.#seen.add(this.#owner[number] ?? 0);
    }
    for (const subject of this.#seen) {
      const use = this.uses[subject];
      if (use === undefined) continue;
      use.bytes += size;
      use.blocks++;
    }
  }

  #numberOf(uuid: string): number {
    let number = this.#numbers.get(uuid);
    if (number === undefined) {
      number = this.uses.push({ uuid, bytes: 0, blocks: 0 }) - 1;
      this.#numbers.set(uuid, number);
    }
    return number;
  }

  /** Copies of the least copied block; null for a collection without blocks. */
  confirmed(number: number): number | null {
    const copies = this.copies[number] ?? UNSEEN;
    return copies === UNSEEN ? null : copies;
  }

  #arrays(): Uint8Array[] {
    return [this.copies, this.unmet, new Uint8Array(this.bytes.buffer), new Uint8Array(this.blocks.buffer)];
  }

  async save(store: ObjectStore, key: string): Promise<void> {
    const head = new TextEncoder().encode(JSON.stringify(this.uses.map(({ bytes, blocks }) => [bytes, blocks])));
    const arrays = this.#arrays();
    const size = arrays.reduce((sum, array) => sum + array.byteLength, head.byteLength + 4);
    const all = new Uint8Array(size);
    new DataView(all.buffer).setUint32(0, head.byteLength);
    all.set(head, 4);
    let at = 4 + head.byteLength;
    for (const array of arrays) {
      all.set(array, at);
      at += array.byteLength;
    }
    await store.put(key, all, { size });
  }

  async restore(store: ObjectStore, key: string): Promise<void> {
    const found = await store.get(key);
    if (found === null) throw new Error(`${key} is gone: start a new run`);
    const all = new Uint8Array(await new Response(found.body).arrayBuffer());
    const headBytes = new DataView(all.buffer).getUint32(0);
    const uses = JSON.parse(new TextDecoder().decode(all.subarray(4, 4 + headBytes))) as [number, number][];
    for (const [i, [bytes, blocks]] of uses.entries()) Object.assign(this.uses[i] ?? {}, { bytes, blocks });
    let at = 4 + headBytes;
    for (const array of this.#arrays()) {
      array.set(all.subarray(at, at + array.byteLength));
      at += array.byteLength;
    }
  }
}

/** The tallies of a run: fresh, or as its last slice left them. */
export async function loadTallies(
  rows: RunRows,
  store: ObjectStore,
  run: number,
  savedAs: string | null,
): Promise<Tallies> {
  const tallies = new Tallies(rows.memberCount(run));
  for (let from = 0; ; from += MEMBER_PAGE) {
    const members = rows.members(run, from, MEMBER_PAGE);
    for (const [i, { project, owner }] of members.entries()) tallies.setMember(from + i, project, owner);
    if (members.length < MEMBER_PAGE) break;
    await new Promise((turn) => setTimeout(turn, 0));
  }
  if (savedAs !== null) await tallies.restore(store, savedAs);
  return tallies;
}
