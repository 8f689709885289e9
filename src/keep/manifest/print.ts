import { EMPTY_LOCATOR } from '../limits.ts';
import { compareNames, escapeName } from './names.ts';
import type { ManifestDirectory, ManifestFile, Segment } from './tree.ts';

const CHUNK_CHARS = 65_536;
const encoder = new TextEncoder();

/**
 * The normalised manifest of a tree, in chunks of about 64 KiB. Follows the Python SDK, not the Go one: a line lists
 * each block once. An empty tree is the empty text: no chunk.
 */
export function* printManifest(root: ManifestDirectory): Generator<Uint8Array, void, undefined> {
  let text = '';
  for (const chunk of chunks(root)) {
    text += chunk;
    if (text.length < CHUNK_CHARS) continue;
    yield encoder.encode(text);
    text = '';
  }
  if (text !== '') yield encoder.encode(text);
}

/** Lines in tree order: a directory's own line, then those of its subdirectories. Not recursive: paths may be deep. */
function* chunks(root: ManifestDirectory): Generator<string, void, undefined> {
  const pending = [{ name: '.', directory: root }];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const { name, directory } = next;
    const files: [string, ManifestFile][] = [];
    const directories: typeof pending = [];
    for (const [entryName, entry] of [...directory.entries].sort(([a], [b]) => compareNames(a, b))) {
      if (entry.kind === 'file') files.push([entryName, entry]);
      else directories.push({ name: `${name}/${escapeName(entryName)}`, directory: entry });
    }
    if (files.length > 0) yield* line(name, files);
    else if (directory.entries.size === 0 && directory !== root) yield `${name} ${EMPTY_LOCATOR} 0:0:\\056\n`;
    // Not spread: a directory may have more subdirectories than a call has room for arguments.
    for (const below of directories.reverse()) pending.push(below);
  }
}

function* line(name: string, files: [string, ManifestFile][]): Generator<string, void, undefined> {
  yield name;
  const positions = new Map<string, number>();
  let position = 0;
  for (const [, { segments }] of files) {
    for (const { locator, blockSize } of segments) {
      if (positions.has(locator)) continue;
      positions.set(locator, position);
      position += blockSize;
      yield ` ${locator}`;
    }
  }
  if (positions.size === 0) yield ` ${EMPTY_LOCATOR}`;
  for (const [fileName, { segments }] of files) yield* fileTokens(escapeName(fileName), segments, positions);
  yield '\n';
}

function* fileTokens(
  name: string,
  segments: Segment[],
  positions: Map<string, number>,
): Generator<string, void, undefined> {
  if (segments.length === 0) yield ` 0:0:${name}`;
  let start = 0;
  let length = 0;
  for (const segment of segments) {
    const position = (positions.get(segment.locator) ?? 0) + segment.offset;
    if (length > 0 && position === start + length) {
      length += segment.length;
      continue;
    }
    if (length > 0) yield ` ${start}:${length}:${name}`;
    start = position;
    length = segment.length;
  }
  if (length > 0) yield ` ${start}:${length}:${name}`;
}
