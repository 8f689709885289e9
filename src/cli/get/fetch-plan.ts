import { join } from 'node:path';
import { formatBytes, plural } from '../../keep/human-format.ts';
import { MAX_BLOCK_BYTES } from '../../keep/limits.ts';
import type { Segment } from '../../keep/manifest/tree.ts';
import type { BlockChunk } from '../block-jobs.ts';
import { CliError } from '../cli-error.ts';
import { type FoundFile, fileSize } from '../collection.ts';
import { showName } from '../terminal.ts';

/** A file to be written. */
export interface TargetFile {
  /** Where it ends up. */
  target: string;
  /** The same below the plan's root, with slashes. */
  name: string;
  /** In the collection. */
  source: string;
  size: number;
}

/** A block, and where its bytes go on disk. */
export interface BlockUse {
  locator: string;
  size: number;
  chunks: (Omit<BlockChunk, 'file'> & { /** Index of the target. */ target: number })[];
}

export interface GetPlan {
  /** The directory that holds everything. */
  root: string;
  targets: TargetFile[];
  /** Below the root; empty ones among them. */
  directories: string[];
  /** Blocks in the order of their first use. */
  blocks: BlockUse[];
}

/**
 * Which blocks go where: each is fetched once, however many files it is in.
 * @throws CliError when the platform cannot have a file of some name, or for a block that is larger than any: several are held
 */
export function planFiles(
  files: Iterable<FoundFile>,
  { root, directories = [], sourceOf }: { root: string; directories?: string[]; sourceOf: (name: string) => string },
): GetPlan {
  const targets: TargetFile[] = [];
  const blocks = new Map<string, BlockUse>();
  for (const { path: name, file } of files) {
    const target = targets.length;
    const size = fileSize(file);
    targets.push({ target: join(root, name), name, source: sourceOf(name), size });
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
  refuseNames([...targets.map(({ name }) => name), ...directories]);
  return { root, targets, directories, blocks: [...blocks.values()] };
}

function use(blocks: Map<string, BlockUse>, { locator, blockSize }: Segment): BlockUse {
  let known = blocks.get(locator);
  if (known === undefined) {
    if (blockSize > MAX_BLOCK_BYTES)
      throw new CliError(
        `The collection names a block of ${formatBytes(blockSize)}; none has more than ${formatBytes(MAX_BLOCK_BYTES)}.`,
      );
    known = { locator, size: blockSize, chunks: [] };
    blocks.set(locator, known);
  }
  return known;
}

const MAX_NAMED = 5;

/** @throws CliError that names paths which cannot be made, or would be made elsewhere */
export function refuseNames(names: readonly string[], platform: string = process.platform): void {
  const bad = names.filter((name) => !name.split('/').every((component) => isUsable(component, platform)));
  if (bad.length === 0) return;
  const shown = bad.slice(0, MAX_NAMED).map(showName).join('\n  ');
  throw new CliError(
    `This system cannot have ${plural(bad.length, 'path')} of the collection:\n  ${shown}${bad.length > MAX_NAMED ? '\n  ...' : ''}`,
  );
}

/** Separators, drives and streams (a:b), and what Windows takes away from the end of a name. */
const NOT_ON_WINDOWS = /[\\/:*?"<>|]|[. ]$/;
const WINDOWS_DEVICE = /^(?:con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])(?:\.|\s*$)/i;

function isUsable(component: string, platform: string): boolean {
  if (component === '' || component === '.' || component === '..' || component.includes('\0')) return false;
  if (platform !== 'win32') return true;
  const hasControl = [...component].some((char) => char < ' ');
  return !(hasControl || NOT_ON_WINDOWS.test(component) || WINDOWS_DEVICE.test(component));
}
