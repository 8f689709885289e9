import { setTimeout } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { joinSlice } from '../../src/balance/join.ts';
import { REFERENCE_WORDS, setHash } from '../../src/balance/references.ts';
import { NO_COUNTS, type Run, type RunRows } from '../../src/balance/runs.ts';
import { Tallies } from '../../src/balance/tallies.ts';
import type { BucketVolume } from '../../src/storage/bucket-volume.ts';
import type { Mount } from '../../src/storage/mounts.ts';
import type { ObjectStore } from '../../src/storage/object-store.ts';
import type { BenchContext, Subject } from '../context.ts';
import type { Row } from '../report.ts';

/** BENCH_BLOCKS=10000000 runs the largest size: it takes minutes. */
const SIZES = process.env.BENCH_BLOCKS === undefined ? [100_000, 1_000_000] : [Number(process.env.BENCH_BLOCKS)];
const COLLECTIONS = 1000;
const PAGE = 1000;
const BLOCK_SIZE = 67_108_864;
const MTIME_MS = 1_600_000_000_000;
const RUN_FILES = (blocks: number) => Math.max(1, Math.ceil(blocks / 262_144));
const MIB = 2 ** 20;
/** Published prices of R2, dollars a million: listings are class A, reads class B. */
const DOLLARS = { list: 4.5, get: 0.36 };

/**
 * The main phase of a balancing run, which compares what is named with what is stored, over generated blocks: sorted
 * references that are made as they are read, and a bucket that makes keys as they are listed. No network, no simulator.
 */
export const balance: Subject = {
  name: 'balance',
  async run(context) {
    const rows: Row[] = [];
    for (const blocks of SIZES) rows.push(...(await measured(blocks, context)));
    return rows;
  },
};

async function measured(blocks: number, { say }: BenchContext): Promise<Row[]> {
  say(`${blocks.toLocaleString('en-US')} blocks on one mount, one in 16 named by no collection`);
  const requests = { get: 0, list: 0 };
  const run: Run = {
    id: 1,
    isDry: true,
    phase: 'join',
    startedAt: Date.now(),
    finishedAt: null,
    cursor: '',
    step: 0,
    counts: NO_COUNTS,
    message: '',
  };
  const tallies = new Tallies(COLLECTIONS);
  for (let i = 0; i < COLLECTIONS; i++) tallies.setMember(i, `project ${i % 50}`, `owner ${i % 5}`);
  const before = liveBytes();
  let peak = before;
  let isDone = false;
  const sampling = (async () => {
    while (!isDone) {
      peak = Math.max(peak, liveBytes());
      await setTimeout(200);
    }
  })();
  const cpu = process.cpuUsage();
  let at = run;
  while (at.phase === 'join') {
    at = await joinSlice(at, {
      rows: memoryRows(blocks),
      store: runFiles(blocks, requests),
      mounts: [mountOf(blocks, requests)],
      tallies,
      earlierUnnamed: [],
      ttlSeconds: 1_209_600,
      trashLimit: 100_000,
      pullLimit: 100_000,
      until: Number.POSITIVE_INFINITY,
      clock: Date.now,
    });
  }
  const { user, system } = process.cpuUsage(cpu);
  isDone = true;
  await sampling;
  if (at.counts.storedBlocks !== blocks) throw new Error(`${at.counts.storedBlocks} of ${blocks} blocks were seen`);
  const dollars = (requests.list * DOLLARS.list + requests.get * DOLLARS.get) / 1e6;
  const title = `${blocks.toLocaleString('en-US')} blocks`;
  return [
    { what: `${title}: processor time a million blocks`, edge: (user + system) / blocks, unit: 's' },
    { what: `${title}: heap and buffers added`, edge: (peak - before) / MIB, unit: 'MiB', target: { atMost: 48 } },
    {
      what: `${title}: requests to stores a million blocks`,
      edge: ((requests.get + requests.list) / blocks) * 1e6,
      unit: '',
    },
    { what: `${title}: what these cost, in cents`, edge: dollars * 100, unit: '' },
  ];
}

/** What is held, not what waits to be collected. */
function liveBytes(): number {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

/** Block i of n, spread evenly as MD5s are. */
function hashOf(i: number, blocks: number): string {
  const head = Math.floor((i / blocks) * 2 ** 48);
  return head.toString(16).padStart(12, '0') + i.toString(16).padStart(20, '0');
}

const isNamed = (i: number) => i % 16 !== 0;

/** Sorted files of references, made as they are read: file f of k holds every k-th named block. */
function runFiles(blocks: number, requests: { get: number }): ObjectStore {
  const store: Pick<ObjectStore, 'get' | 'put' | 'delete'> = {
    async get(key, { range } = {}) {
      requests.get++;
      const file = Number(key.split('-').at(-1));
      const recordBytes = REFERENCE_WORDS * 4;
      const first = (range?.offset ?? 0) / recordBytes;
      const count = (range?.length ?? 0) / recordBytes;
      const words = new Uint32Array(count * REFERENCE_WORDS);
      const files = RUN_FILES(blocks);
      for (let i = 0; i < count; i++) {
        const named = (first + i) * files + file;
        const block = named + Math.floor(named / 15) + 1;
        setHash(words, i * REFERENCE_WORDS, hashOf(block, blocks));
        words.set([BLOCK_SIZE, 0, block % COLLECTIONS], i * REFERENCE_WORDS + 4);
      }
      return { key, size: words.byteLength, md5: null, modified: 0, body: new Blob([words]).stream() };
    },
    put: async (key, _, { size }) => ({ key, size, md5: null, modified: 0 }),
    delete: async () => {},
  };
  return store as ObjectStore;
}

function memoryRows(blocks: number): RunRows {
  const files = RUN_FILES(blocks);
  const named = Array.from({ length: blocks }, (_, i) => i).reduce((sum, i) => sum + Number(isNamed(i)), 0);
  const rows: Pick<RunRows, 'files' | 'wants' | 'members' | 'save' | 'addFiles' | 'addProblem'> = {
    files: () =>
      Array.from({ length: files }, (_, file) => ({
        key: `names-${file}`,
        count: Math.floor((named - file - 1) / files) + 1,
      })),
    wants: () => [{ copies: 1, classes: ['default'] }],
    members: () => [],
    save: () => {},
    addFiles: () => {},
    addProblem: () => {},
  };
  return rows as RunRows;
}

/** A bucket that makes keys as they are listed. */
function mountOf(blocks: number, requests: { list: number }): Mount {
  const indexFrom = (startAfter: string | undefined, prefix: string) => {
    if (startAfter === undefined) return 0;
    const hash = startAfter.slice(prefix.length + 4);
    let low = 0;
    let high = blocks;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (hashOf(middle, blocks) <= hash) low = middle + 1;
      else high = middle;
    }
    return low;
  };
  const store = {
    async list({ prefix, cursor, startAfter }: { prefix: string; cursor?: string | null; startAfter?: string }) {
      requests.list++;
      const base = prefix.startsWith('recent/') ? 'recent/' : '';
      const from = cursor ? Number(cursor) : indexFrom(startAfter, base);
      const to = Math.min(from + PAGE, blocks);
      const objects = Array.from({ length: to - from }, (_, i) => {
        const hash = hashOf(from + i, blocks);
        return {
          key: `${base}${hash.slice(0, 3)}/${hash}`,
          size: base === '' ? BLOCK_SIZE : 0,
          md5: null,
          modified: MTIME_MS,
        };
      });
      return { objects, next: to < blocks ? String(to) : null };
    },
  };
  return {
    uuid: 'xbnch-nyw5e-000000000000000',
    deviceId: 'generated',
    allowWrite: true,
    allowTrash: true,
    replication: 1,
    storageClasses: { default: true },
    priority: 0,
    volume: {} as BucketVolume,
    store: store as unknown as ObjectStore,
    prefixLength: 3,
    raceWindowSeconds: 60,
  };
}
