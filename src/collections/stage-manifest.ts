import { EMPTY_HASH } from '../keep/limits.ts';
import { stripSignature } from '../keep/locator.ts';
import type { Chunks } from '../keep/manifest/line-tokens.ts';
import { ManifestParser } from '../keep/manifest/parse.ts';
import { type FilePath, isSamePath } from '../keep/manifest/places.ts';
import { PortableDataHasher } from '../keep/manifest/portable-data-hash.ts';
import { LocatorRewriter } from '../keep/manifest/rewrite.ts';
import { STORE_RULES } from '../keep/manifest/rules.ts';
import { type ManifestBucket, ManifestWriter, type StoredManifest } from './manifest-store.ts';

/** A manifest that was checked and is kept, but that no collection refers to yet. */
export interface StagedManifest {
  stored: StoredManifest;
  /** Of the text as stored: UTF-8, without signatures. */
  bytes: number;
  portableDataHash: string;
  fileCount: number;
  fileSizeTotal: number;
}

/**
 * Whether the submitter may save a block: throws if not (you cannot save a block that you may not read).
 * Null when the question does not arise: for an admin, and for a text made here from what was already permitted.
 */
export type LocatorCheck = ((locator: string) => void) | null;

/**
 * Checks a manifest by the API's rules, strips the signatures after checking them, computes the portable data hash and
 * stores the text, all in one pass: a 50 MB manifest never stands in memory.
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
    };
  } catch (error) {
    await writer.abort();
    throw error;
  }
}

/** Counts files and their bytes. A file whose segments do not stand together counts once for each group of them. */
function createCounter() {
  let last: FilePath | null = null;
  return {
    files: 0,
    bytes: 0,
    segment(path: FilePath, _position: number, length: number) {
      if (last === null || !isSamePath(path, last)) this.files++;
      last = path;
      this.bytes += length;
    },
  };
}
