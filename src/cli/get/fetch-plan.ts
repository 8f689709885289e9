import { join } from 'node:path';
import type { Segment } from '../../keep/manifest/tree.ts';
import type { BlockChunk } from '../block-jobs.ts';
import { type FoundFile, fileSize } from '../collection.ts';

/** A file to be written. */
export interface TargetFile {
  /** Where it ends up. */
  target: string;
  /** In the collection. */
  path: string;
  size: number;
}

/** A block, and where its bytes go on disk. */
export interface BlockUse {
  locator: string;
  size: number;
  chunks: (Omit<BlockChunk, 'file'> & { /** Index of the target. */ target: number })[];
}

export interface GetPlan {
  targets: TargetFile[];
  /** Blocks in the order of their first use. */
  blocks: BlockUse[];
}

/** Which blocks go where: each is fetched once, however many files it is in. */
export function planFiles(files: Iterable<FoundFile>, directory: string): GetPlan {
  const targets: TargetFile[] = [];
  const blocks = new Map<string, BlockUse>();
  for (const { path, file } of files) {
    const target = targets.length;
    const size = fileSize(file);
    targets.push({ target: path === '' ? directory : join(directory, path), path, size });
    let offset = 0;
    for (const segment of file.segments) {
      use(blocks, segment).chunks.push({
        target,
        from: segment.offset,
        length: segment.length,
        offset,
        whole: segment.length === size,
      });
      offset += segment.length;
    }
  }
  return { targets, blocks: [...blocks.values()] };
}

function use(blocks: Map<string, BlockUse>, { locator, blockSize }: Segment): BlockUse {
  let known = blocks.get(locator);
  if (known === undefined) {
    known = { locator, size: blockSize, chunks: [] };
    blocks.set(locator, known);
  }
  return known;
}
