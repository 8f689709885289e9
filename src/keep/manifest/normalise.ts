import { isKeepError, KeepError } from '../errors.ts';
import type { Chunks } from './line-tokens.ts';
import { ManifestParser } from './parse.ts';
import { createPlaceFinder, pathText, placeText } from './places.ts';
import { printManifest } from './print.ts';
import { READ_RULES } from './rules.ts';
import { appendSegment, directoryIn, emptyDirectory, fileIn, type ManifestDirectory } from './tree.ts';

const TOO_MANY = 'the manifest has too many segments to be held in memory';

/**
 * Reads a manifest into a tree in memory, one object per segment: for the command line and small collections.
 * @param options.below only what is at this path or below it: a line of n blocks and m files makes n times m segments
 * @param options.maxSegments more are refused
 * @throws KeepError unreadable_manifest, also when a path is both a file and a directory
 */
export async function readTree(
  chunks: Chunks,
  { below = '', maxSegments = Number.POSITIVE_INFINITY }: { below?: string; maxSegments?: number } = {},
): Promise<ManifestDirectory> {
  const prefix = `${below}/`;
  const root = emptyDirectory();
  const directoryOf = createPlaceFinder(root, (parent, place) =>
    directoryIn(parent, place.name, () => placeText(place)),
  );
  let segments = 0;
  let locators: string[] = [];
  /** Where in the line's data each block begins, and, last, where the data ends. */
  let starts: number[] = [0];
  const parser = new ManifestParser(
    {
      stream() {
        locators = [];
        starts = [0];
      },
      block(locator, size) {
        starts.push((starts[locators.length] ?? 0) + (size ?? 0));
        locators.push(locator);
      },
      segment(path, position, length) {
        if (below !== '' && !`${pathText(path)}/`.startsWith(prefix)) return;
        const file = fileIn(directoryOf(path.directory), path.name, () => pathText(path));
        const end = position + length;
        for (let at = position, index = blockAt(starts, position); at < end; index++) {
          const [start = 0, next = end] = [starts[index], starts[index + 1]];
          if (++segments > maxSegments) throw new KeepError(READ_RULES.code, { message: TOO_MANY });
          const here = Math.min(end, next) - at;
          const locator = locators[index] ?? '';
          appendSegment(file, { locator, blockSize: next - start, offset: at - start, length: here });
          at += here;
        }
      },
      directory(place) {
        if (below !== '' && !`${placeText(place)}/`.startsWith(prefix)) return;
        directoryOf(place);
      },
    },
    READ_RULES,
  );
  try {
    for await (const chunk of chunks) parser.push(chunk);
    parser.end();
  } catch (error) {
    // The tree reports an invalid record; here the record is a manifest being read.
    if (!isKeepError(error, 'invalid_record')) throw error;
    throw new KeepError(READ_RULES.code, { message: error.message, cause: error });
  }
  return root;
}

/** The same files in normalised form. Strip signatures first when the result is to be hashed or compared. */
export async function* normalise(chunks: Chunks): AsyncGenerator<Uint8Array, void, undefined> {
  yield* printManifest(await readTree(chunks));
}

/** The index of the block that holds the byte at `position`: the first that ends after it. */
function blockAt(starts: number[], position: number): number {
  let low = 0;
  let high = starts.length - 2;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((starts[middle + 1] ?? 0) > position) high = middle;
    else low = middle + 1;
  }
  return low;
}
