import { MAX_BLOCK_BYTES } from '../../keep/limits.ts';
import { printManifest } from '../../keep/manifest/print.ts';
import { appendSegment, directoryAt, fileAt, type ManifestDirectory } from '../../keep/manifest/tree.ts';
import { CliError } from '../cli-error.ts';
import type { KnownPart } from './checkpoint.ts';
import type { SourceFile } from './walk.ts';

export interface TreeContents {
  files: readonly SourceFile[];
  places: readonly (KnownPart | undefined)[][];
  emptyDirectories: readonly string[];
  /** Signed locators by `hash+size`. */
  locators: ReadonlyMap<string, string>;
}

/** In a collection that was saved on the way: the blocks of files that are not complete. */
const UNFINISHED = '.keep-edge-upload';

/**
 * Lays the files that are completely stored over a collection's tree; a file of the same path is replaced.
 * @param unfinished also keep the blocks of the other files, in a file of their own
 * @throws KeepError invalid_record when a file would be a directory, or the other way round
 */
export function layOver(
  root: ManifestDirectory,
  { files, places, emptyDirectories, locators }: TreeContents,
  { unfinished }: { unfinished: boolean },
): void {
  const loose = new Set<string>();
  for (const [index, { path, size }] of files.entries()) {
    const parts = places[index] ?? [];
    if (!isComplete(parts)) {
      for (const part of parts) if (part !== undefined) loose.add(part.block);
      continue;
    }
    const file = fileAt(root, path);
    file.segments = [];
    for (const [number, { block, offset }] of parts.entries()) {
      const length = Math.min(MAX_BLOCK_BYTES, size - number * MAX_BLOCK_BYTES);
      appendSegment(file, segmentOf(block, offset, length, locators));
    }
  }
  for (const path of emptyDirectories) directoryAt(root, path);
  if (!unfinished || loose.size === 0) return;
  const rest = fileAt(root, UNFINISHED);
  for (const block of loose) appendSegment(rest, segmentOf(block, 0, sizeOf(block), locators));
}

function isComplete(parts: readonly (KnownPart | undefined)[]): parts is KnownPart[] {
  // Parts not stored yet are holes, which array methods skip.
  for (let number = 0; number < parts.length; number++) if (parts[number] === undefined) return false;
  return true;
}

function segmentOf(block: string, offset: number, length: number, locators: ReadonlyMap<string, string>) {
  const locator = locators.get(block);
  if (locator === undefined) throw new CliError(`No signature for block ${block}: run the same command again.`);
  return { locator, blockSize: sizeOf(block), offset, length };
}

function sizeOf(block: string): number {
  return Number(block.slice(block.indexOf('+') + 1));
}

/** The manifest of a tree as one text. */
export function manifestText(root: ManifestDirectory): string {
  const decoder = new TextDecoder();
  let text = '';
  for (const chunk of printManifest(root)) text += decoder.decode(chunk);
  return text;
}
