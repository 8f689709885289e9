import type { User } from '../../accounts/account.ts';
import { LEVEL, withLevel } from '../../accounts/levels.ts';
import { levelColumn, notTrashed } from '../../accounts/readable-sql.ts';
import { scopeOf } from '../../collections/scope.ts';
import { COLLECTIONS, GROUPS } from '../../collections/tables.ts';
import { KeepError } from '../../keep/errors.ts';
import { type Row, toRecord } from '../../records/columns.ts';
import { type Condition, parseFilters } from '../../records/filters.ts';
import { selectColumns, wholeNumber } from '../../records/list-parameters.ts';
import { listRecords } from '../../records/list-query.ts';
import { termsOf, wordFilters } from '../../search/terms.ts';
import { answer } from './answer.ts';
import type { ApiCall, EmbeddedApi } from './call.ts';

const DEFAULT_RESULTS = 50;
const MAX_RESULTS = 100;
/** Records that the index names at once, and how often: what they cost is bounded, however few of them may be read. */
const BATCH = 100;
const MAX_BATCHES = 5;
const MAX_WORDS = 10;
const MAX_QUERY_LENGTH = 500;
/** Characters of a description that are shown, and file names that contain a word. */
const SHOWN_DESCRIPTION = 300;
const SHOWN_FILES = 5;

const TABLES = [COLLECTIONS, GROUPS] as const;
const SHOWN = {
  collections: [
    'uuid',
    'owner_uuid',
    'name',
    'description',
    'modified_at',
    'portable_data_hash',
    'file_count',
    'file_size_total',
  ],
  groups: ['uuid', 'owner_uuid', 'name', 'description', 'group_class', 'modified_at'],
};

type Filters = [string, string, string][];

/**
 * GET search: projects, roles and collections with all words of `q` in their names, descriptions, properties and file names,
 * the newest first. `next` is the `after` of the next page, null on the last one; a page may be short, or empty, before that.
 */
export async function searchRecords(call: ApiCall, api: EmbeddedApi): Promise<Response> {
  const { q, after, kind } = call.parameters;
  if (typeof q !== 'string' || q.length > MAX_QUERY_LENGTH) throw invalid('q: what to search for');
  const filters = wordFilters(q);
  if (filters.length > MAX_WORDS) throw invalid(`q: at most ${MAX_WORDS} words`);
  if (termsOf(filters).length === 0) throw invalid('q: at least three characters in one word');
  const tables = TABLES.filter((table) => kind === undefined || table.kind === kind);
  if (tables.length === 0) throw invalid('kind: arvados#collection or arvados#group');
  const limit = Math.min(wholeNumber(call.parameters.limit, 'limit') ?? DEFAULT_RESULTS, MAX_RESULTS);
  const key = keyOf(after);
  const found =
    (key !== null && key < 0 ? null : await throughIndex(call, api, filters, tables, limit, key)) ??
    (await throughAll(call, api, filters, tables, limit, key));
  return answer({
    kind: 'arvados#keepEdgeSearchResults',
    items: found.items.map((item) => shown(item, filters)),
    next: found.next,
  });
}

interface Page {
  items: Row[];
  next: string | null;
}

/** Null: the index does not help. */
async function throughIndex(
  { user }: ApiCall,
  { db, search }: EmbeddedApi,
  filters: Filters,
  tables: readonly (typeof TABLES)[number][],
  limit: number,
  after: number | null,
): Promise<Page | null> {
  const items: Row[] = [];
  let before = after;
  for (let round = 0; round < MAX_BATCHES; round++) {
    const batch = await search.batch(filters, BATCH, before);
    if (batch === null) return null;
    const uuids = [...batch.changed, ...batch.documents.map(({ uuid }) => uuid)];
    const rows = await readable(db, user, tables, filters, uuids);
    const changed = batch.changed.map((uuid) => rows.get(uuid)).filter((row) => row !== undefined);
    items.push(...changed.sort(newestFirst));
    for (const { uuid, id } of batch.documents) {
      const row = rows.get(uuid);
      if (row !== undefined) items.push(row);
      if (items.length >= limit) return { items, next: String(id) };
    }
    if (batch.next === null) return { items, next: null };
    before = batch.next;
  }
  return { items, next: String(before) };
}

/** Those of some records that the user may read and that meet the filters. */
async function readable(
  db: D1Database,
  user: User,
  tables: readonly (typeof TABLES)[number][],
  filters: Filters,
  uuids: string[],
): Promise<Map<string, Row>> {
  const statements = tables.map((table) => {
    const conditions: Condition[] = [
      { sql: `${table.name}.uuid IN (SELECT value FROM json_each(?))`, values: [JSON.stringify(uuids)] },
      ...parseFilters(table, filters),
      notTrashed(table.name),
    ];
    const columns = [...columnsOf(table), ...levelColumn(table.name, user, undefined)];
    // The level is worked out once, and then looked at.
    return db
      .prepare(
        `WITH found AS MATERIALIZED (SELECT ${columns.join(', ')} FROM ${table.name} WHERE ${conditions.map(({ sql }) => `(${sql})`).join(' AND ')})
         SELECT * FROM found WHERE permission_level >= ${LEVEL.read}`,
      )
      .bind(...conditions.flatMap(({ values }) => values));
  });
  const results = await db.batch<Row>(statements);
  return new Map(
    results.flatMap(({ results: rows }, index) => rows.map((row) => [String(row.uuid), describe(tables[index], row)])),
  );
}

/** Without the index: each record that the user may read is looked at. `next` is an offset. */
async function throughAll(
  { user }: ApiCall,
  { db }: EmbeddedApi,
  filters: Filters,
  tables: readonly (typeof TABLES)[number][],
  limit: number,
  after: number | null,
): Promise<Page> {
  // Offsets are negative, so that they are no places in the index.
  const offset = after === null ? 0 : Math.max(0, -after);
  const wanted = { filters, limit: offset + limit + 1, offset: 0, count: 'none' };
  const pages = await Promise.all(
    tables.map((table) =>
      listRecords(db, table, { ...wanted, select: SHOWN[table.name] }, scopeOf(table.name, wanted, user, false)),
    ),
  );
  const items = pages.flatMap((page, index) => page.items.map((row) => describe(tables[index], row)));
  items.sort(newestFirst);
  const page = items.slice(offset, offset + limit);
  return { items: page, next: items.length > offset + limit ? String(-(offset + limit)) : null };
}

function newestFirst(a: Row, b: Row): number {
  return String(a.modified_at) < String(b.modified_at) ? 1 : -1;
}

function columnsOf(table: (typeof TABLES)[number]): string[] {
  return [...selectColumns(table, SHOWN[table.name]), ...(table.name === 'collections' ? ['file_names'] : [])];
}

function describe(table: (typeof TABLES)[number] | undefined, row: Row): Row {
  return table === undefined ? row : { kind: table.kind, ...withLevel(toRecord(table, row)) };
}

/** A result: a long description is cut, of the file names those with a word of the query are left. */
function shown({ file_names, ...record }: Row, filters: Filters): Row {
  const words = filters.map(([, , pattern]) => pattern.slice(1, -1).replace(/\\(.)/gs, '$1').toLowerCase());
  const files = String(file_names ?? '')
    .split('\n')
    .filter((name) => name !== '' && words.some((word) => name.toLowerCase().includes(word)));
  return {
    ...record,
    name: record.name ?? '',
    description: String(record.description ?? '').slice(0, SHOWN_DESCRIPTION),
    ...(file_names === undefined ? {} : { matching_files: files.slice(0, SHOWN_FILES) }),
  };
}

function keyOf(after: unknown): number | null {
  if (after === undefined) return null;
  const key = Number(after);
  if (!Number.isSafeInteger(key)) throw invalid('after: the `next` of the page before');
  return key;
}

function invalid(message: string): KeepError {
  return new KeepError('invalid_record', { message });
}
