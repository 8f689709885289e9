import * as v from 'valibot';
import type { Format } from '../../genomics/header.ts';
import { type Region, UNPLACED } from '../../genomics/regions.ts';
import { limitedText } from '../../http/limited-text.ts';
import { HtsgetError } from './htsget-error.ts';

export type Datatype = 'reads' | 'variants';

/** What a client wants of a file. */
export interface HtsgetQuery {
  /** Null: not said. */
  format: Format | null;
  headerOnly: boolean;
  /** Null: the whole file. */
  regions: Region[] | null;
}

export const FORMATS: Record<Datatype, readonly Format[]> = { reads: ['BAM', 'CRAM'], variants: ['VCF', 'BCF'] };
const MAX_BODY_BYTES = 1024 * 1024;
const MAX_REGIONS = 10_000;
/** `start` and `end` are 32-bit unsigned integers in the specification. */
const MAX_POSITION = 2 ** 32 - 1;

const Body = v.object({
  format: v.optional(v.string()),
  class: v.optional(v.string()),
  fields: v.optional(v.array(v.string())),
  tags: v.optional(v.array(v.string())),
  notags: v.optional(v.array(v.string())),
  regions: v.optional(
    v.array(
      v.object({
        referenceName: v.string(),
        start: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(MAX_POSITION))),
        end: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(MAX_POSITION))),
      }),
    ),
  ),
});

/** @throws HtsgetError InvalidInput, InvalidRange, UnsupportedFormat; KeepError too_large */
export async function readHtsgetQuery(request: Request, url: URL, datatype: Datatype): Promise<HtsgetQuery> {
  if (request.method === 'POST') return fromBody(await limitedText(request, MAX_BODY_BYTES), url, datatype);
  const parameters = url.searchParams;
  for (const name of new Set(parameters.keys())) {
    if (KNOWN.has(name) && parameters.getAll(name).length > 1) throw invalid(`${name} is given more than once`);
  }
  const list = (name: string) => parameters.get(name)?.split(',');
  const reference = parameters.get('referenceName');
  const start = position(parameters.get('start'), 'start');
  const end = position(parameters.get('end'), 'end');
  if (reference === null && (start !== undefined || end !== undefined))
    throw invalid('start and end need a referenceName');
  if (start !== undefined && end !== undefined && start > end) throw badRange('start is greater than end');
  const regions = reference === null ? null : [regionOf(reference, start, end, datatype)];
  const query = {
    format: formatOf(parameters.get('format') ?? undefined, datatype),
    headerOnly: isHeaderOnly(parameters.get('class') ?? undefined),
    regions,
  };
  return checked(query, { fields: list('fields'), tags: list('tags'), notags: list('notags') });
}

const KNOWN = new Set(['format', 'class', 'referenceName', 'start', 'end', 'fields', 'tags', 'notags']);

function fromBody(text: string, url: URL, datatype: Datatype): HtsgetQuery {
  if (url.search.length > 1) throw invalid('a POST request has no query parameters');
  const { success, output, issues } = v.safeParse(Body, parseJson(text));
  if (!success) {
    const [issue] = issues;
    throw invalid(`${v.getDotPath(issue) ?? 'body'}: ${issue.message}`);
  }
  const { regions } = output;
  if (regions !== undefined && (regions.length === 0 || regions.length > MAX_REGIONS))
    throw invalid(`regions: between 1 and ${MAX_REGIONS}`);
  const query = {
    format: formatOf(output.format, datatype),
    headerOnly: isHeaderOnly(output.class),
    regions:
      regions?.map(({ referenceName, start, end }) => {
        if (start !== undefined && end !== undefined && start >= end) throw badRange('start is not less than end');
        return regionOf(referenceName, start, end, datatype);
      }) ?? null,
  };
  return checked(query, output);
}

function checked(
  query: HtsgetQuery,
  { fields, tags, notags }: Partial<Record<'fields' | 'tags' | 'notags', string[] | undefined>>,
): HtsgetQuery {
  const without = new Set(notags);
  const both = tags?.find((tag) => without.has(tag));
  if (both !== undefined) throw invalid(`${both.slice(0, 20)} is in tags and in notags`);
  const hasMore = query.regions !== null || fields !== undefined || tags !== undefined || notags !== undefined;
  if (query.headerOnly && hasMore) throw invalid('class=header goes with format only');
  return query;
}

function regionOf(reference: string, start: number | undefined, end: number | undefined, datatype: Datatype): Region {
  if (reference === UNPLACED) {
    if (datatype !== 'reads') throw invalid('referenceName=* is for reads');
    if (start !== undefined || end !== undefined) throw invalid('referenceName=* has no start and no end');
  }
  return { reference, start: start ?? 0, end: end ?? Number.MAX_SAFE_INTEGER };
}

function formatOf(text: string | undefined, datatype: Datatype): Format | null {
  if (text === undefined) return null;
  const format = FORMATS[datatype].find((name) => name === text.toUpperCase());
  if (format === undefined)
    throw new HtsgetError('UnsupportedFormat', `${datatype} come as ${FORMATS[datatype].join(' or ')}`);
  return format;
}

function isHeaderOnly(text: string | undefined): boolean {
  if (text !== undefined && text !== 'header') throw invalid('class may be header, or be left out');
  return text === 'header';
}

function position(text: string | null, name: string): number | undefined {
  if (text === null) return undefined;
  if (!/^\d{1,10}$/.test(text) || Number(text) > MAX_POSITION) throw invalid(`${name} is not a position`);
  return Number(text);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw invalid('the body is not JSON');
  }
}

function invalid(message: string): HtsgetError {
  return new HtsgetError('InvalidInput', message);
}

function badRange(message: string): HtsgetError {
  return new HtsgetError('InvalidRange', message);
}
