import { availableParallelism } from 'node:os';
import { type Part, type PlannedBlock, partCount, partNumber } from '../../keep/plan-blocks.ts';
import type { PutGoal } from '../../services/copies.ts';
import type { KeepClient } from '../../services/keep-client.ts';
import { ServicesError } from '../../services/services-error.ts';
import { type BlockPool, createBlockPool } from '../block-pool.ts';
import type { Checkpoint, KnownPart } from './checkpoint.ts';
import { createSendLimit } from './send-limit.ts';
import { putCounted, startCounts, type UploadCounts } from './upload-counts.ts';
import type { SourceFile } from './walk.ts';

export interface UploadOptions {
  files: readonly SourceFile[];
  blocks: readonly PlannedBlock[];
  keep: KeepClient;
  goal: PutGoal;
  checkpoint: Checkpoint;
  /** Signed locators by `hash+size` of blocks that other collections have. */
  references: ReadonlyMap<string, string>;
  /** Blocks on their way at once, at most. */
  jobs: number;
  signal: AbortSignal;
}

/** A running upload. Its counts change while it runs. */
export interface Upload {
  counts: UploadCounts;
  /** By file, then by part: where the bytes are stored; holes for those that are not. */
  places: (KnownPart | undefined)[][];
  /** Files that could not be stored, by index, and why. */
  failed: Map<number, string>;
  /** Ends when every part is stored or its file has failed. @throws ServicesError, the signal's reason */
  run(): Promise<void>;
}

/** The network is slower than the MD5 of two threads. */
const MAX_THREADS = 2;
/** Blocks worked on at once; those that must be read wait for a buffer. */
const LANES = 16;

export function createUpload(options: UploadOptions): Upload {
  const { files, blocks, keep, goal, checkpoint, references, jobs } = options;
  const counts = startCounts(files.filter(({ size }) => size === 0).length);
  /** Parts that are not stored yet, by file. */
  const partsLeft = files.map(({ size }) => partCount(size));
  const places = files.map(({ size }) => new Array<KnownPart | undefined>(partCount(size)));
  const failed = new Map<number, string>();
  const limit = createSendLimit(jobs);
  const stop = new AbortController();
  const signal = AbortSignal.any([options.signal, stop.signal]);
  /** Whether the service has a block: asked once for each. */
  const asked = new Map<string, Promise<boolean>>();
  /** Signed locators of blocks that are stored or being sent. */
  const brought = new Map<string, Promise<string>>();

  /** Asks about a block for which we hold a signature: without one the service refuses. */
  function isThere(block: string): Promise<boolean> {
    let answer = asked.get(block);
    if (answer === undefined) {
      const locator = checkpoint.locators.get(block) ?? references.get(block);
      answer = locator === undefined ? Promise.resolve(false) : confirm(keep, locator, signal);
      asked.set(block, answer);
    }
    return answer;
  }

  /** @returns its signed locator */
  async function bring(block: string, hash: string, bytes: Uint8Array<ArrayBuffer>): Promise<string> {
    const held = checkpoint.locators.get(block) ?? references.get(block);
    if (held !== undefined && (await isThere(block))) {
      counts.blocksSkipped++;
      return held;
    }
    await limit.enter();
    let sent: number | null = null;
    try {
      signal.throwIfAborted();
      const locator = await putCounted({ keep, goal, signal, counts }, hash, bytes);
      sent = bytes.byteLength;
      return locator;
    } finally {
      limit.leave(sent);
    }
  }

  /** Stores a block once, also when it occurs several times. */
  function bringOnce(block: string, hash: string, bytes: Uint8Array<ArrayBuffer>): Promise<string> {
    const earlier = brought.get(block);
    if (earlier !== undefined) {
      counts.blocksSkipped++;
      return earlier;
    }
    const bringing = bring(block, hash, bytes);
    brought.set(block, bringing);
    return bringing;
  }

  function place(part: Part, known: KnownPart): void {
    const ofFile = places[part.file];
    if (ofFile !== undefined) ofFile[partNumber(part)] = known;
    const left = (partsLeft[part.file] ?? 0) - 1;
    partsLeft[part.file] = left;
    if (left === 0) counts.filesDone++;
    counts.bytesDone += part.length;
  }

  /** The parts of a block that are not stored yet. */
  async function missingParts({ parts }: PlannedBlock): Promise<Part[]> {
    const missing: Part[] = [];
    const used = new Set<string>();
    for (const part of parts) {
      const known = checkpoint.find(fileOf(part), part);
      if (known === null || !(await isThere(known.block))) {
        missing.push(part);
      } else {
        used.add(known.block);
        place(part, known);
      }
    }
    counts.blocksSkipped += used.size;
    return missing;
  }

  async function storeParts(parts: Part[], pool: BlockPool): Promise<void> {
    let buffer = await pool.takeBuffer();
    try {
      let left = parts;
      while (left.length > 0) {
        signal.throwIfAborted();
        const chunks = left.map((part) => {
          const { source, stamp } = fileOf(part);
          return { file: source, offset: part.offset, length: part.length, stamp };
        });
        const read = await pool.run({ verb: 'read', buffer, chunks });
        buffer = read.buffer;
        if (read.hash !== null) {
          const size = left.reduce((sum, { length }) => sum + length, 0);
          const block = `${read.hash}+${size}`;
          const locator = await bringOnce(block, read.hash, new Uint8Array(buffer, 0, size));
          checkpoint.addBlock(
            locator,
            left.map((part) => ({ file: fileOf(part), part })),
          );
          let offset = 0;
          for (const part of left) {
            place(part, { block, offset });
            offset += part.length;
          }
          return;
        }
        for (const { chunk, what } of read.problems) {
          const part = left[chunk];
          if (part !== undefined) failed.set(part.file, what);
        }
        left = left.filter(({ file }) => !failed.has(file));
      }
    } finally {
      pool.giveBuffer(buffer);
    }
  }

  function fileOf({ file }: Part): SourceFile {
    const found = files[file];
    if (found === undefined) throw new RangeError('no such file');
    return found;
  }

  return {
    counts,
    places,
    failed,
    async run() {
      const pool = createBlockPool({
        threads: Math.min(MAX_THREADS, availableParallelism()),
        buffers: jobs + MAX_THREADS,
        bufferBytes: blocks.reduce((most, { size }) => Math.max(most, size), 0),
      });
      const remaining = blocks[Symbol.iterator]();
      const lane = async () => {
        for (const block of remaining) {
          signal.throwIfAborted();
          const missing = await missingParts(block);
          const worth = missing.filter(({ file }) => !failed.has(file));
          if (worth.length > 0) await storeParts(worth, pool);
        }
      };
      const lanes = Array.from({ length: LANES }, () =>
        lane().catch((error: unknown) => {
          stop.abort(error);
          throw error;
        }),
      );
      try {
        const results = await Promise.allSettled(lanes);
        options.signal.throwIfAborted();
        if (stop.signal.aborted) throw stop.signal.reason;
        for (const result of results) if (result.status === 'rejected') throw result.reason;
      } finally {
        await pool.close();
      }
    },
  };
}

/** False when every service refuses. @throws when a service cannot be asked: an outage says nothing about the block */
async function confirm(keep: KeepClient, locator: string, signal: AbortSignal): Promise<boolean> {
  try {
    await keep.head(locator, { signal });
    return true;
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof ServicesError && error.answers.length > 0 && error.answers.every(({ mayPass }) => !mayPass))
      return false;
    throw error;
  }
}
