import type { Mount } from '../storage/mounts.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import { type Copy, type Decision, decide, type Place, wantedPerClass } from './decide.ts';
import { mergeRuns, type NamedBlock } from './merge.ts';
import { type StoredBlock, storedBlocks } from './mount-index.ts';
import type { RecordFile } from './record-reader.ts';
import type { Counts, FileKind, Run, RunRows } from './runs.ts';
import type { Tallies } from './tallies.ts';
import { UnnamedReader, UnnamedWriter } from './unnamed.ts';

export interface JoinContext {
  rows: RunRows;
  store: ObjectStore;
  /** Each device once (see `devicesOf`). */
  mounts: readonly Mount[];
  tallies: Tallies;
  /** Files of the last run that came to its end. */
  earlierUnnamed: RecordFile[];
  /** Seconds. */
  ttlSeconds: number;
  trashLimit: number;
  pullLimit: number;
  until: number;
  clock: () => number;
}

/** The end of the phase. */
const LAST = 'end';
/** A slice ends after this many blocks, so that what it holds and what a crash repeats stay small. */
const BLOCKS_PER_SLICE = 200_000;
const LOST_COLLECTIONS_NAMED = 10;

/**
 * One slice of the main phase: walks what is named and what is stored side by side in hash order, decides on each block,
 * and writes what is to be trashed and pulled to files.
 */
export async function joinSlice(run: Run, context: JoinContext): Promise<Run> {
  const { rows, store, mounts, tallies, ttlSeconds, until, clock } = context;
  const from = run.cursor;
  const wants = rows.wants(run.id);
  const places = new Map(mounts.map((mount) => [mount, placeOf(mount)]));
  const earlier = new UnnamedReader(store, context.earlierUnnamed);
  const unnamed = new UnnamedWriter(store);
  const counts = structuredClone(run.counts);
  const trash: string[] = [];
  const pull: string[] = [];
  const lost: { hash: string; size: number; collections: Uint32Array }[] = [];
  const startedAt = Math.floor(run.startedAt / 1000);
  const minMtime = startedAt - ttlSeconds;
  let blocks = 0;
  let cursor = LAST;

  for await (const page of joined(mergeRuns(store, rows.files(run.id, 'names'), from), storedBlocks(mounts, from))) {
    for (const { named, stored } of page) {
      blocks++;
      const hash = (named ?? stored)?.hash ?? '';
      const size = Math.max(named?.size ?? 0, stored?.size ?? 0);
      const copies = (stored?.copies ?? []).flatMap(({ mount, mtime }): Copy[] => {
        const place = places.get(mount);
        return place === undefined ? [] : [{ place, mtime }];
      });
      const wanted = named === null ? {} : wantedPerClass(named.wants.flatMap((number) => wants[number] ?? []));
      const decision = decide(hash, wanted, copies, [...places.values()], minMtime);
      countBlock(counts, { size, named, copies, decision, wanted });
      if (named !== null) {
        tallies.add(named.collections, size, decision.copies, !decision.isUnderreplicated);
        if (decision.isLost) lost.push({ hash, size, collections: named.collections });
      }
      let mayTrash = true;
      if (named === null && stored !== null) {
        const since = (await earlier.since(hash)) ?? startedAt;
        unnamed.add(hash, since);
        mayTrash = startedAt - since >= ttlSeconds;
      }
      if (mayTrash) addTrash(decision.trash, { hash, size, counts, list: trash, limit: context.trashLimit });
      addPull(decision.pull, { hash, size, counts, list: pull, limit: context.pullLimit });
    }
    const last = page.at(-1);
    if (blocks >= BLOCKS_PER_SLICE || clock() >= until) {
      cursor = hashAfter((last?.named ?? last?.stored)?.hash ?? '');
      break;
    }
  }

  const files: [FileKind, RecordFile | null][] = [
    ['unnamed', await unnamed.flush(keyOf(run, 'unnamed'))],
    ['trash', await writeList(store, keyOf(run, 'trash'), trash)],
    ['pull', await writeList(store, keyOf(run, 'pull'), pull)],
  ];
  await tallies.save(store, talliesKey(run.id, run.step + 1));
  const isOver = cursor === LAST || cursor === '';
  const next: Run = {
    ...run,
    phase: isOver ? 'trashed' : 'join',
    cursor: isOver ? '' : cursor,
    step: run.step + 1,
    counts,
  };
  rows.save(next, () => {
    for (const [kind, file] of files) if (file !== null) rows.addFiles(run.id, kind, [file]);
    for (const { hash, size, collections } of lost) {
      const uuids = [...collections.subarray(0, LOST_COLLECTIONS_NAMED)].flatMap(
        (number) => rows.members(run.id, number, 1)[0]?.uuid ?? [],
      );
      // A collection is a member once more for each revision that a backup keeps.
      const named = [...new Set(uuids)];
      rows.addProblem(run.id, 'lost', `${hash}+${size}`, { collections: named, count: collections.length });
    }
  });
  return next;
}

/** Where the tallies of a run are kept after a slice. */
export function talliesKey(run: number, step: number): string {
  return `balance/${run}/tallies-${step % 2}`;
}

interface Pair {
  named: NamedBlock | null;
  stored: StoredBlock | null;
}

/** Two ascending sequences of pages as one, in pages. */
async function* joined(
  left: AsyncGenerator<NamedBlock[]>,
  right: AsyncGenerator<StoredBlock[]>,
): AsyncGenerator<Pair[]> {
  try {
    let names: NamedBlock[] | undefined = (await left.next()).value || undefined;
    let stores: StoredBlock[] | undefined = (await right.next()).value || undefined;
    let n = 0;
    let s = 0;
    while (names !== undefined || stores !== undefined) {
      const page: Pair[] = [];
      while ((names === undefined || n < names.length) && (stores === undefined || s < stores.length)) {
        const named = names?.[n] ?? null;
        const stored = stores?.[s] ?? null;
        const isNamed = named !== null && (stored === null || named.hash <= stored.hash);
        const isStored = stored !== null && (named === null || stored.hash <= named.hash);
        if (!isNamed && !isStored) break;
        page.push({ named: isNamed ? named : null, stored: isStored ? stored : null });
        if (isNamed) n++;
        if (isStored) s++;
      }
      if (page.length > 0) yield page;
      if (names !== undefined && n >= names.length) {
        names = (await left.next()).value || undefined;
        n = 0;
      }
      if (stores !== undefined && s >= stores.length) {
        stores = (await right.next()).value || undefined;
        s = 0;
      }
    }
  } finally {
    await Promise.allSettled([left.return(undefined), right.return(undefined)]);
  }
}

/** A mount as decisions see it: all belong to one service. */
export function placeOf({ uuid, replication, storageClasses, allowWrite, allowTrash }: Mount): Place {
  return { uuid, server: '', replication, classes: Object.keys(storageClasses), allowWrite, allowTrash };
}

interface Judged {
  size: number;
  named: NamedBlock | null;
  copies: Copy[];
  decision: Decision;
  wanted: Record<string, number>;
}

function countBlock(counts: Counts, { size, named, copies, decision, wanted }: Judged): void {
  if (named !== null) {
    counts.namedBlocks++;
    counts.namedBytes += size;
  }
  if (copies.length > 0) {
    counts.storedBlocks++;
    counts.storedBytes += size * copies.length;
    for (const { place } of copies) {
      const { blocks, bytes } = counts.mounts[place.uuid] ?? { blocks: 0, bytes: 0 };
      counts.mounts[place.uuid] = { blocks: blocks + 1, bytes: bytes + size };
    }
    if (named === null) {
      counts.unnamedBlocks++;
      counts.unnamedBytes += size * copies.length;
    }
  }
  if (decision.isLost) {
    counts.lostBlocks++;
    counts.lostBytes += size;
  } else if (decision.isUnderreplicated) counts.underreplicated++;
  const isOver = Object.entries(wanted).some(([name, copies]) => (decision.perClass[name] ?? 0) > copies);
  if (named !== null && isOver) counts.overreplicated++;
}

interface ListContext {
  hash: string;
  size: number;
  counts: Counts;
  list: string[];
  limit: number;
}

function addTrash(copies: Copy[], { hash, size, counts, list, limit }: ListContext): void {
  for (const { place, mtime } of copies) {
    if (counts.trashCopies >= limit) return;
    counts.trashCopies++;
    counts.trashBytes += size;
    const item: Record<'locator' | 'mount_uuid', string> = { locator: `${hash}+${size}`, mount_uuid: place.uuid };
    // Nanoseconds, more digits than a number holds: written as text.
    list.push(`${JSON.stringify(item).slice(0, -1)},"block_mtime":${mtime}000000000}`);
  }
}

function addPull(places: Place[], { hash, size, counts, list, limit }: ListContext): void {
  for (const { uuid } of places) {
    if (counts.pullCopies >= limit) return;
    counts.pullCopies++;
    counts.pullBytes += size;
    list.push(JSON.stringify({ locator: `${hash}+${size}`, servers: [], mount_uuid: uuid }));
  }
}

async function writeList(store: ObjectStore, key: string, items: string[]): Promise<RecordFile | null> {
  if (items.length === 0) return null;
  const bytes = new TextEncoder().encode(items.join(',\n'));
  await store.put(key, bytes, { size: bytes.byteLength });
  return { key, count: items.length };
}

function keyOf(run: Run, kind: FileKind): string {
  return `balance/${run.id}/${kind}-${run.step}`;
}

/** The hash that follows; '' after the last one. */
function hashAfter(hash: string): string {
  const next = (BigInt(`0x${hash}`) + 1n).toString(16).padStart(hash.length, '0');
  return next.length > hash.length ? '' : next;
}
