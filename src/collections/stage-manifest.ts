import { KeepError } from '../keep/errors.ts';
import { EMPTY_HASH } from '../keep/limits.ts';
import { stripSignature } from '../keep/locator.ts';
import type { Chunks } from '../keep/manifest/line-tokens.ts';
import { ManifestParser } from '../keep/manifest/parse.ts';
import { type FilePath, isSamePath, pathText } from '../keep/manifest/places.ts';
import { PortableDataHasher } from '../keep/manifest/portable-data-hash.ts';
import { LocatorRewriter } from '../keep/manifest/rewrite.ts';
import { STORE_RULES } from '../keep/manifest/rules.ts';
import { type ManifestBucket, ManifestWriter, type StoredManifest } from './manifest-store.ts';

/** A checked and stored manifest that no collection refers to yet. */
export interface StagedManifest {
  stored: StoredManifest;
  /** Length of the stored text: UTF-8, without signatures. */
  bytes: number;
  portableDataHash: string;
  fileCount: number;
  fileSizeTotal: number;
  /** The first of its paths, one a line, 8 KiB at most: for filters. */
  fileNames: string;
}

/**
 * Throws for a block that the submitter may not save (it must be readable to them). Null for an admin, and for a text
 * that was made here from permitted ones.
 */
export type LocatorCheck = ((locator: string) => void) | null;

/**
 * Checks a manifest by the API's rules, strips the signatures after checking them, computes the portable data hash and
 * stores the text, in one pass: a 50 MB manifest is never in memory.
 * @throws KeepError invalid_record (422) for a bad manifest, forbidden (403) for a block without a good signature
 */
export async function stageManifest(
  bucket: ManifestBucket,
  chunks: Chunks,
  check: LocatorCheck,
): Promise<StagedManifest> {
  const writer = new ManifestWriter(bucket);
  const counter = createCounter();
  const parser = new ManifestParser(counter, STORE_RULES);
  const hasher = new PortableDataHasher();
  const rewriter = new LocatorRewriter((locator) => {
    if (check !== null && !locator.startsWith(EMPTY_HASH)) check(locator);
    return stripSignature(locator);
  });
  try {
    const add = async (chunk: Uint8Array) => {
      parser.push(chunk);
      hasher.push(chunk);
      await writer.write(chunk);
    };
    for await (const chunk of chunks) {
      for (const rewritten of rewriter.push(chunk)) await add(rewritten);
    }
    await add(rewriter.end());
    parser.end();
    const stored = await writer.end();
    return {
      stored,
      bytes: writer.bytes,
      portableDataHash: hasher.digest(),
      fileCount: counter.files,
      fileSizeTotal: counter.bytes,
      fileNames: counter.names(),
    };
  } catch (error) {
    await writer.abort();
    throw error;
  }
}

/** The `fileNames` of a stored text, which is read as far as they go. @throws KeepError for a text that is no manifest */
export async function fileNamesOf(text: ReadableStream<Uint8Array>): Promise<string> {
  const counter = createCounter();
  const parser = new ManifestParser(counter, STORE_RULES);
  for await (const chunk of text) {
    parser.push(chunk);
    if (counter.hasAllNames()) break;
  }
  return counter.names();
}

/** What the Arvados API keeps of file names for searches. */
const MAX_NAMES_CHARS = 8192;

/** Counts files and their bytes. A file whose segments are not adjacent counts once for each group of them. */
function createCounter() {
  let last: FilePath | null = null;
  const names: string[] = [];
  let nameChars = 0;
  return {
    files: 0,
    bytes: 0,
    segment(path: FilePath, _position: number, length: number) {
      if (last === null || !isSamePath(path, last)) {
        this.files++;
        if (nameChars < MAX_NAMES_CHARS) {
          const text = pathText(path).slice(0, MAX_NAMES_CHARS - nameChars);
          nameChars += text.length + 1;
          names.push(text);
        }
      }
      last = path;
      this.bytes += length;
      if (!Number.isSafeInteger(this.bytes))
        throw new KeepError('invalid_record', {
          message: 'the files of the manifest have more than 2^53-1 bytes in all',
        });
    },
    hasAllNames: () => nameChars >= MAX_NAMES_CHARS,
    names: () => names.join('\n').toWellFormed(),
  };
}
