import { KeepError } from '../../keep/errors.ts';
import { EMPTY_LOCATOR } from '../../keep/limits.ts';
import type { Chunks } from '../../keep/manifest/line-tokens.ts';
import { normalise } from '../../keep/manifest/normalise.ts';
import { pathText } from '../../keep/manifest/places.ts';
import type { Row } from '../../records/columns.ts';
import { checkedManifest } from '../checked-manifest.ts';
import { fileEtag } from '../file-etag.ts';
import { findNode, isDirectory } from '../file-tree.ts';
import { buildFileTree } from '../file-tree-builder.ts';
import { deleteManifest, readManifest, type StoredManifest } from '../manifest-store.ts';
import { effectiveObjectEtag, objectEtag } from '../object-etag.ts';
import { segmentMap } from '../replace-segments.ts';
import { type StagedManifest, stageManifest } from '../stage-manifest.ts';
import type { FileMetadata, SegmentReplacement, TextSource, Texts } from './edits.ts';
import { BlockStarts } from './intervals.ts';
import { effectiveEtag, pathsWithMetadata, readMetadata } from './metadata-rows.ts';
import { planSegments, rewriteSegments } from './segments.ts';
import { parseInTurns } from './survey.ts';

/** Texts up to this size are held in memory, and written in normal form, as the Arvados API does. Bytes. */
const SMALL_TEXT_BYTES = 1_000_000;
/** Segments that a text may unfold to and still be normalised in memory. */
const NORMALISED_SEGMENTS = 100_000;

/**
 * The text of a collection's row (null: an empty collection), and those that edits take files from.
 * @param hasMetadata false: no file of the collection has any, and it need not be looked for
 */
export function createTexts(
  { db, manifests }: { db: D1Database; manifests: R2Bucket },
  row: Row | null,
  hasMetadata = row !== null,
): Texts {
  let other: Row | null = null;
  let held: Promise<Chunks> | null = null;
  const current = async (): Promise<Chunks> => {
    if (row === null) return [];
    if (Number(row.manifest_bytes) > SMALL_TEXT_BYTES) return rowText(manifests, row);
    held ??= rowText(manifests, row).then(bytesOf);
    return held;
  };
  return {
    portableDataHash: row === null ? EMPTY_LOCATOR : String(row.portable_data_hash),
    current,
    async etags(paths) {
      if (paths.length === 0) return new Map();
      const wanted = new Set(paths);
      const { tree } = await buildFileTree(await current(), (path) => wanted.has(pathText(path)));
      const metadata = hasMetadata ? await readMetadata(db, String(row?.uuid), paths) : new Map<string, FileMetadata>();
      const etags = new Map<string, string[]>();
      for (const path of paths) {
        const node = findNode(tree, path);
        if (node === null || isDirectory(tree, node)) continue;
        const derived = await fileEtag(tree, node);
        const [known, own] = [metadata.get(path), await objectEtag(tree, node)];
        etags.set(path, [effectiveEtag(derived, known), effectiveObjectEtag(own, derived, known)]);
      }
      return etags;
    },
    marked: (directories) =>
      hasMetadata ? pathsWithMetadata(db, String(row?.uuid), directories) : Promise.resolve(new Set()),
    async source(source: TextSource) {
      if ('staged' in source) return textOf(manifests, source.staged.stored);
      const { portableDataHash: hash } = source;
      // Mostly there is one, which is read several times. More of them would be a lot to hold.
      if (other?.portable_data_hash !== hash) other = await rowOfContent(hash);
      if (other === null) throw new KeepError('not_found', { message: `there is no collection ${hash}` });
      return rowText(manifests, other);
    },
  };

  function rowOfContent(hash: string): Promise<Row | null> {
    return db
      .prepare(
        `SELECT manifest_inline, manifest_key, manifest_bytes, portable_data_hash FROM collections WHERE portable_data_hash = ?1
         UNION ALL SELECT manifest_inline, manifest_key, manifest_bytes, portable_data_hash FROM collection_versions WHERE portable_data_hash = ?1 LIMIT 1`,
      )
      .bind(hash)
      .first<Row>();
  }
}

function storedOf(row: Row): StoredManifest {
  return typeof row.manifest_key === 'string'
    ? { inline: null, key: row.manifest_key }
    : { inline: String(row.manifest_inline), key: null };
}

/** The text that a row names. It breaks off at its end when it is not the one of the row's portable data hash. */
async function rowText(manifests: R2Bucket, row: Row): Promise<Chunks> {
  const text = await textOf(manifests, storedOf(row));
  return checkedManifest(text, String(row.portable_data_hash), Number(row.manifest_bytes));
}

async function bytesOf(text: Chunks): Promise<Chunks> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of text) chunks.push(chunk.slice());
  return chunks;
}

async function textOf(manifests: R2Bucket, stored: StoredManifest): Promise<ReadableStream<Uint8Array>> {
  const text = await readManifest(manifests, stored);
  // The row is read again then: another writer has replaced the text.
  if (text === null) throw new KeepError('unavailable', { message: 'the collection was changed meanwhile: try again' });
  return text;
}

/** Small texts take the form that the Arvados API gives them; large ones stay as edited. */
export async function stageNormalised(manifests: R2Bucket, text: AsyncIterable<Uint8Array>): Promise<StagedManifest> {
  const chunks = text[Symbol.asyncIterator]();
  const beginning: Uint8Array[] = [];
  let bytes = 0;
  while (bytes <= SMALL_TEXT_BYTES) {
    const next = await chunks.next();
    if (next.done === true) break;
    bytes += next.value.byteLength;
    beginning.push(next.value.slice());
  }
  const isSmall = bytes <= SMALL_TEXT_BYTES && (await segmentsOf(beginning)) <= NORMALISED_SEGMENTS;
  return stageManifest(manifests, isSmall ? normalise(beginning) : joined(beginning, chunks), null);
}

async function* joined(beginning: Uint8Array[], rest: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield* beginning;
  yield* { [Symbol.asyncIterator]: () => rest };
}

/**
 * Stages a text with other ranges of blocks in the place of some of its own.
 * @param text null: the text that is there, which is then left alone when nothing of it is replaced
 */
export async function stageSegments(
  manifests: R2Bucket,
  text: StagedManifest | null,
  current: () => Promise<Chunks>,
  replacements: readonly SegmentReplacement[],
): Promise<StagedManifest | null> {
  const read = text === null ? current : () => textOf(manifests, text.stored);
  const map = await segmentMap(await read(), replacements);
  const changed = await planSegments(await read(), map);
  if (changed.size === 0) return text;
  const staged = await stageNormalised(manifests, rewriteSegments(await read(), map, changed));
  if (text !== null) await deleteManifest(manifests, text.stored);
  return staged;
}

/** Block ranges that the files of a text are made of: n blocks times m files for files that span them all. */
async function segmentsOf(text: Chunks): Promise<number> {
  const starts = new BlockStarts();
  let segments = 0;
  await parseInTurns(text, {
    stream: () => starts.clear(),
    block: (_, size) => starts.add(size ?? 0),
    segment: (_, position, length) => {
      segments += length === 0 ? 1 : starts.at(position + length - 1) - starts.at(position) + 1;
    },
  });
  return segments;
}
