import { KeepError } from '../keep/errors.ts';
import { bareLocator, stripSignature } from '../keep/locator.ts';
import type { Chunks } from '../keep/manifest/line-tokens.ts';
import type { SegmentReplacement } from './edit/edits.ts';
import { planSegments, type SegmentMap } from './edit/segments.ts';
import type { LocatorCheck } from './stage-manifest.ts';

const SEGMENT = /^([0-9a-f]{32}\+\d{1,9}(?:\+[A-Za-z0-9@_-]+)*) (\d{1,9}) (\d{1,9})$/;
/** Each is looked up for each segment. */
const MAX_ENTRIES = 100_000;

/**
 * The API's `replace_segments`: `"locator offset length"` of a segment -> of one that takes its place
 * (docs/protocol/collections.md#replace-segments).
 * @param check throws for a new block that the caller may not save
 * @throws KeepError bad_request, forbidden
 */
export function segmentReplacements(replacements: unknown, check: LocatorCheck): SegmentReplacement[] {
  if (typeof replacements !== 'object' || replacements === null || Array.isArray(replacements))
    throw refused('replace_segments must be an object: "locator offset length" -> "locator offset length"');
  const entries = Object.entries(replacements as Record<string, unknown>);
  if (entries.length > MAX_ENTRIES) throw refused(`replace_segments may have ${MAX_ENTRIES} entries`);
  return entries.map(([from, to]) => {
    const [old, replacement] = [segmentOf(from), segmentOf(to)];
    if (old.length !== replacement.length) throw refused('a segment and what takes its place must have one length');
    check?.(replacement.locator);
    const { locator, offset } = replacement;
    return {
      block: bareLocator(old.locator),
      offset: old.offset,
      length: old.length,
      to: { locator: stripSignature(locator), offset },
    };
  });
}

function segmentOf(text: unknown): { locator: string; offset: number; length: number } {
  const [, locator = '', offset, length] = SEGMENT.exec(typeof text === 'string' ? text : '') ?? [];
  if (locator === '') throw refused('a segment of replace_segments is "locator offset length"');
  const segment = { locator, offset: Number(offset), length: Number(length) };
  if (segment.length === 0 || segment.offset + segment.length > Number(locator.split('+')[1]))
    throw refused('a segment of replace_segments does not lie in its block');
  return segment;
}

/**
 * What replacements do to a text: those of a new block only if the text has all the segments that are to go into it, so
 * that a collection which was changed meanwhile does not end up with parts of both.
 */
export async function segmentMap(text: Chunks, replacements: readonly SegmentReplacement[]): Promise<SegmentMap> {
  const wanted = new Map<string, Map<string, SegmentReplacement>>();
  for (const replacement of replacements) {
    const { block, offset, length } = replacement;
    const ranges = wanted.get(block) ?? new Map<string, SegmentReplacement>();
    ranges.set(`${offset} ${length}`, replacement);
    wanted.set(block, ranges);
  }
  const concerns = (locator: string) => wanted.has(locator);
  const found = new Set<SegmentReplacement>();
  await planSegments(text, {
    concerns,
    find(locator, offset, length) {
      const replacement = wanted.get(locator)?.get(`${offset} ${length}`);
      if (replacement !== undefined) found.add(replacement);
      return null;
    },
  });
  const missing = new Set(
    replacements.filter((replacement) => !found.has(replacement)).map(({ to }) => bareLocator(to.locator)),
  );
  return {
    concerns,
    find(locator, offset, length) {
      const replacement = wanted.get(locator)?.get(`${offset} ${length}`);
      return replacement === undefined || missing.has(bareLocator(replacement.to.locator)) ? null : replacement.to;
    },
  };
}

function refused(message: string): KeepError {
  return new KeepError('bad_request', { message });
}
