import { availableParallelism } from 'node:os';
import { parseLocator } from '../../keep/locator.ts';
import type { FileChunk } from '../block-jobs.ts';
import { type BlockPool, createBlockPool } from '../block-pool.ts';
import type { BlockUse } from './fetch-plan.ts';

export type Verdict =
  /** Every byte of it that belongs on disk is there. */
  | 'present'
  /** Some file differs, or is not there. */
  | 'different'
  /** The files hold only a part of the block: it must be fetched to tell. */
  | 'unknown';

/** Hashes the blocks that files on disk make up. Calls `judge` for each, in any order. */
export async function checkBlocks(
  blocks: readonly BlockUse[],
  fileOf: (target: number) => string | null,
  judge: (block: BlockUse, verdict: Verdict) => void,
): Promise<void> {
  const threads = Math.min(2, availableParallelism());
  const pool = createBlockPool({
    threads,
    buffers: threads,
    bufferBytes: blocks.reduce((most, { size }) => Math.max(most, size), 0),
  });
  const remaining = blocks[Symbol.iterator]();
  const lane = async () => {
    for (const block of remaining) {
      judge(block, await check(block, fileOf, pool));
    }
  };
  try {
    await Promise.all(Array.from({ length: threads }, lane));
  } finally {
    await pool.close();
  }
}

async function check(block: BlockUse, fileOf: (target: number) => string | null, pool: BlockPool): Promise<Verdict> {
  const { hash } = parseLocator(block.locator);
  const chains = chainsOf(block);
  if (chains === null) return 'unknown';
  for (const chain of chains) {
    const chunks: FileChunk[] = [];
    for (const { target, offset, length } of chain) {
      const file = fileOf(target);
      if (file === null) return 'different';
      chunks.push({ file, offset, length, stamp: null });
    }
    const read = await pool.run({ verb: 'read', buffer: await pool.takeBuffer(), chunks });
    pool.giveBuffer(read.buffer);
    if (read.hash !== hash) return 'different';
  }
  return 'present';
}

type Chunk = BlockUse['chunks'][number];

/** The block as often as files make it up, each time as the chunks that follow one another; null when some are missing. */
function chainsOf({ chunks, size }: BlockUse): Chunk[][] | null {
  const chains: { chunks: Chunk[]; end: number }[] = [];
  /** Chains by where they end: those that still grow. */
  const open = new Map<number, { chunks: Chunk[]; end: number }[]>();
  for (const chunk of [...chunks].sort((a, b) => a.from - b.from)) {
    let chain = open.get(chunk.from)?.pop();
    if (chain === undefined) {
      if (chunk.from > 0) return null;
      chain = { chunks: [], end: 0 };
      chains.push(chain);
    }
    chain.chunks.push(chunk);
    chain.end = chunk.from + chunk.length;
    const ending = open.get(chain.end);
    if (ending === undefined) open.set(chain.end, [chain]);
    else ending.push(chain);
  }
  return chains.every(({ end }) => end === size) ? chains.map((chain) => chain.chunks) : null;
}
