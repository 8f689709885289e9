import { compareBytes } from '../../keep/manifest/names.ts';
import { type KeyItem, type KeySource, startsWith } from './key-source.ts';

/** Of the keys of one page: 1,000 of the longest that S3 knows. What is in deep directories has longer ones. */
const MAX_PAGE_BYTES = 1024 * 1024;

export interface ListRequest {
  prefix: Uint8Array;
  /** Empty: keys are not grouped. */
  delimiter: Uint8Array;
  /** The first key that may be listed. */
  from: Uint8Array;
  maxKeys: number;
}

export type Listed = Extract<KeyItem, { kind: 'object' }> | { kind: 'prefix'; key: Uint8Array };

export interface KeyPage {
  items: Listed[];
  /** Where the next page begins; null at the end. */
  next: Uint8Array | null;
}

/**
 * One page of keys and common prefixes, in the order of their bytes. What a prefix stands for is skipped, not gone
 * through: a page costs the same wherever it is, and however much is below the prefixes.
 */
export async function listKeys(source: KeySource, request: ListRequest): Promise<KeyPage> {
  const { prefix, maxKeys } = request;
  const items: Listed[] = [];
  let bytes = 0;
  if (maxKeys === 0) return { items, next: null };
  await source.seek(laterOf(prefix, request.from));
  for (;;) {
    const item = await source.next();
    if (item === null || !startsWith(item.key, prefix)) return { items, next: null };
    const group = groupOf(item.key, request);
    if (item.kind === 'container' && group === null) {
      await item.enter();
      continue;
    }
    const last = items.at(-1);
    if ((items.length === maxKeys || bytes > MAX_PAGE_BYTES) && last !== undefined)
      return { items, next: last.kind === 'prefix' ? behindAll(last.key) : behind(last.key) };
    if (group !== null) {
      // Without the rest of the key, which may be long.
      items.push({ kind: 'prefix', key: group.slice() });
      bytes += group.length;
      const next = behindAll(group);
      if (next === null) return { items, next: null };
      await source.seek(next);
    } else if (item.kind === 'object') {
      items.push(item);
      bytes += item.key.length;
    }
  }
}

/**
 * Where a listing goes on after a marker: behind the key, or behind all that begins with it where it is a common prefix
 * of this listing. Null: nothing follows.
 */
export function startAfter(marker: Uint8Array, grouping: Pick<ListRequest, 'prefix' | 'delimiter'>): Uint8Array | null {
  const group = groupOf(marker, grouping);
  return group !== null && group.length === marker.length ? behindAll(marker) : behind(marker);
}

/** The common prefix that a key is listed under; null for one that is listed itself. */
function groupOf(key: Uint8Array, { prefix, delimiter }: Pick<ListRequest, 'prefix' | 'delimiter'>): Uint8Array | null {
  if (delimiter.length === 0) return null;
  const [first = 0] = delimiter;
  for (let at = key.indexOf(first, prefix.length); at >= 0; at = key.indexOf(first, at + 1)) {
    if (startsWith(key.subarray(at), delimiter)) return key.subarray(0, at + delimiter.length);
  }
  return null;
}

/** The smallest key behind this one. */
function behind(key: Uint8Array): Uint8Array {
  const next = new Uint8Array(key.length + 1);
  next.set(key);
  return next;
}

/** The smallest key behind all that begin with `prefix`; null where there can be none. */
function behindAll(prefix: Uint8Array): Uint8Array | null {
  const next = prefix.slice(0, prefix.findLastIndex((byte) => byte < 0xff) + 1);
  const last = next.length - 1;
  if (last < 0) return null;
  next[last] = (next[last] ?? 0) + 1;
  return next;
}

function laterOf(a: Uint8Array, b: Uint8Array): Uint8Array {
  return compareBytes(a, b) < 0 ? b : a;
}
