import type { BodyBlock } from '../../blocks/body-blocks.ts';
import { pathText } from '../../keep/manifest/places.ts';
import type { Row } from '../../records/columns.ts';
import { formatTime } from '../../records/times.ts';
import { concatenate } from '../../streams/concat.ts';
import type { Pipeable } from '../../streams/part.ts';
import { type ChangeContext, changeRow, isRefused } from '../change-row.ts';
import { manifestColumns } from '../collection-row.ts';
import { deleteManifest } from '../manifest-store.ts';
import { keptEtags } from './repack-etags.ts';
import type { SegmentMap } from './segments.ts';
import { planSegments, rewriteSegments } from './segments.ts';
import { parseInTurns } from './survey.ts';
import { createTexts, stageNormalised } from './texts.ts';

/** Small blocks, one after another in one new block. */
export interface Packing {
  /** Of the new block: `hash+size`. */
  locator: string;
  /** Where each of the small ones begins in it, by `hash+size`. */
  offsets: Map<string, number>;
}

export interface RepackContext extends ChangeContext {
  manifests: R2Bucket;
  /** A collection that was changed later is left alone. Seconds. */
  idleSeconds: number;
  openBlock(hash: string, size: number, signal: AbortSignal): Promise<Pipeable>;
  /** Cuts a body into blocks and stores them as the collection's owner wants. */
  storeBody(body: ReadableStream<Uint8Array>, length: number, row: Row): Promise<BodyBlock[]>;
}

const MAX_PACKED_BYTES = 64 * 1024 * 1024;
/** Each is a request to the store. */
const MAX_PACKED_BLOCKS = 500;
const MIN_PACKED_BLOCKS = 8;
/** Blocks looked at: a collection with more small ones is packed from its beginning, run by run. */
const MAX_BLOCKS = 50_000;
/** Files that change in one run: their ETags are kept one by one. */
const MAX_FILES = 20_000;
/** Blocks below this size are small when there are so many bytes in them that the new block is large beside each. */
const LARGEST_CLASS = 8 * 1024 * 1024;
const LOCAL = /^([0-9a-f]{32})\+(\d+)$/;

/**
 * Copies small blocks of a collection into a new one, nothing else: no collection names that yet. Null when there is
 * nothing to pack, or the collection must not be touched.
 */
export async function packSmallBlocks(uuid: string, context: RepackContext): Promise<Packing | null> {
  const row = await packableRow(uuid, context);
  if (row === null) return null;
  const chosen = choose(await smallBlocks(context, row));
  if (chosen.length === 0) return null;
  const length = chosen.reduce((sum, [, size]) => sum + size, 0);
  const stop = new AbortController();
  const parts = chosen.map(([locator, size]) => ({
    length: size,
    open: (signal: AbortSignal) => context.openBlock(locator.slice(0, 32), size, signal),
  }));
  const { body, done } = concatenate(parts, length, stop.signal);
  const [stored] = await Promise.all([context.storeBody(body, length, row), done]).catch((error: unknown) => {
    stop.abort(error);
    throw error;
  });
  const [block, ...more] = stored;
  if (block === undefined || more.length > 0) throw new Error('small blocks did not become one');
  const offsets = new Map<string, number>();
  let end = 0;
  for (const [locator, size] of chosen) {
    offsets.set(locator, end);
    end += size;
  }
  return { locator: block.locator, offsets };
}

/**
 * Brings a packing into the collection's text, whatever that is by now: its content stays the same, and so do ETags and
 * times. What was there before stays as a past version.
 * @returns false when nothing was changed, or another change came first
 */
export async function commitPacking(
  uuid: string,
  { locator, offsets }: Packing,
  context: RepackContext,
): Promise<boolean> {
  const { db, manifests } = context;
  const row = await packableRow(uuid, context);
  if (row === null) return false;
  const texts = createTexts(context, row);
  const map: SegmentMap = {
    concerns: (old) => offsets.has(old),
    find(old, offset) {
      const start = offsets.get(old);
      return start === undefined ? null : { locator, offset: start + offset };
    },
  };
  const paths = new Set<string>();
  const changed = await planSegments(await texts.current(), map, (path) => {
    if (paths.size <= MAX_FILES) paths.add(pathText(path));
  });
  if (changed.size === 0 || paths.size > MAX_FILES) return false;
  const staged = await stageNormalised(manifests, rewriteSegments(await texts.current(), map, changed));
  let isBegun = false;
  try {
    const after = createTexts(context, { ...row, ...manifestColumns(staged) });
    const [before, now] = [await texts.current(), await after.current()];
    const statements = await keptEtags(db, uuid, Number(row.revision), [...paths], before, now);
    const { modified_at, modified_by_user_uuid } = row;
    const columns = { ...manifestColumns(staged), file_names: row.file_names, modified_at, modified_by_user_uuid };
    isBegun = true;
    if (await changeRow(context, row, columns, { statements, keep: 'repacked' })) return true;
  } catch (error) {
    if (!isBegun || isRefused(error)) await deleteManifest(manifests, staged.stored);
    throw error;
  }
  await deleteManifest(manifests, staged.stored);
  return false;
}

/** A collection of which versions are kept keeps its blocks, too: its owner wants it as it is. */
async function packableRow(uuid: string, { db, now, idleSeconds }: RepackContext): Promise<Row | null> {
  const row = await db
    .prepare(
      'SELECT * FROM collections WHERE uuid = ? AND preserve_version = 0 AND modified_at <= ? AND trash_at IS NULL',
    )
    .bind(uuid, formatTime(now() - idleSeconds * 1000))
    .first<Row>();
  return row;
}

/** Blocks below the largest class that are kept here, in the order of the text. */
async function smallBlocks(context: RepackContext, row: Row): Promise<Map<string, number>> {
  const found = new Map<string, number>();
  await parseInTurns(await createTexts(context, row).current(), {
    block(locator, size) {
      if (size === null || size === 0 || size >= LARGEST_CLASS || found.size >= MAX_BLOCKS) return;
      if (LOCAL.test(locator)) found.set(locator, size);
    },
  });
  return found;
}

/**
 * The small blocks that are worth a new one: of the largest class that has several times its size in all. So each byte is
 * copied a few times in its life, however many files are written one by one.
 */
function choose(blocks: Map<string, number>): [string, number][] {
  for (let limit = LARGEST_CLASS; limit >= 8; limit /= 4) {
    const small = [...blocks].filter(([, size]) => size < limit);
    const total = small.reduce((sum, [, size]) => sum + size, 0);
    if (small.length < MIN_PACKED_BLOCKS) return [];
    if (total < limit * (limit === LARGEST_CLASS ? 4 : 8)) continue;
    const chosen: [string, number][] = [];
    let bytes = 0;
    for (const block of small) {
      if (chosen.length >= MAX_PACKED_BLOCKS || bytes + block[1] > MAX_PACKED_BYTES) break;
      chosen.push(block);
      bytes += block[1];
    }
    return chosen;
  }
  return [];
}
