import { availableParallelism } from 'node:os';
import { parseLocator } from '../../keep/locator.ts';
import type { FilePiece } from '../block-jobs.ts';
import { type BlockPool, createBlockPool } from '../block-pool.ts';
import type { BlockUse } from './fetch-plan.ts';

export type Verdict =
  /** Every byte of it that belongs on disk is there. */
  | 'present'
  /** Some file differs, or is not there. */
  | 'different'
  /** The files hold only a part of the block: nobody can say without fetching it. */
  | 'unknown';

/** Hashes the blocks that files on disk make up. `judge` is told of each, in any order. */
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
    const pieces: FilePiece[] = [];
    for (const { target, offset, length } of chain) {
      const file = fileOf(target);
      if (file === null) return 'different';
      pieces.push({ file, offset, length, stamp: null });
    }
    const read = await pool.run({ verb: 'read', buffer: await pool.takeBuffer(), pieces });
    pool.giveBuffer(read.buffer);
    if (read.hash !== hash) return 'different';
  }
  return 'present';
}

type Piece = BlockUse['pieces'][number];

/** The block as often as files make it up, each time as the pieces that follow one another; null when some are missing. */
function chainsOf({ pieces, size }: BlockUse): Piece[][] | null {
  const chains: { pieces: Piece[]; end: number }[] = [];
  /** Chains by where they end: those that still grow. */
  const open = new Map<number, { pieces: Piece[]; end: number }[]>();
  for (const piece of [...pieces].sort((a, b) => a.from - b.from)) {
    let chain = open.get(piece.from)?.pop();
    if (chain === undefined) {
      if (piece.from > 0) return null;
      chain = { pieces: [], end: 0 };
      chains.push(chain);
    }
    chain.pieces.push(piece);
    chain.end = piece.from + piece.length;
    const ending = open.get(chain.end);
    if (ending === undefined) open.set(chain.end, [chain]);
    else ending.push(chain);
  }
  return chains.every(({ end }) => end === size) ? chains.map((chain) => chain.pieces) : null;
}
