import { MAX_BLOCK_BYTES } from '../../keep/limits.ts';
import { printManifest } from '../../keep/manifest/print.ts';
import { appendSegment, directoryAt, fileAt, type ManifestDirectory } from '../../keep/manifest/tree.ts';
import { CliError } from '../cli-error.ts';
import type { Edits } from '../edits.ts';
import type { ListedDirectory } from '../listing.ts';
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

/**
 * The edits that put every file of a tree, and the empty directories that are missing, into a collection.
 * @param there what the collection has, or null if there are no empty directories and no `wholeDirectories`
 * @param wholeDirectories puts directories that the collection does not have as one edit
 */
export function editsFor(
  root: ManifestDirectory,
  there: ListedDirectory | null,
  { wholeDirectories }: { wholeDirectories: boolean },
): Edits {
  const edits: Edits = {};
  const pending: { path: string; directory: ManifestDirectory; below: ListedDirectory | null }[] = [
    { path: '', directory: root, below: there },
  ];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const { path, directory, below } = next;
    for (const [name, entry] of directory.entries) {
      const inner = below?.entries.get(name);
      const known = typeof inner === 'object' ? inner : null;
      const isEmpty = entry.kind === 'directory' && entry.entries.size === 0;
      // An edit replaces what is there, with all that is in it.
      if (isEmpty && known !== null) continue;
      const isWhole = entry.kind === 'file' || isEmpty || (wholeDirectories && known === null);
      if (isWhole) edits[`${path}/${name}`] = `manifest_text${path}/${name}`;
      else pending.push({ path: `${path}/${name}`, directory: entry, below: known });
    }
  }
  return edits;
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
