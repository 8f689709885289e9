import type { User } from '../accounts/account.ts';
import { NEWEST_COLLECTIONS, newestFirst, newestLevelSql } from '../accounts/newest-first.ts';
import { quoted } from '../accounts/permission-sql.ts';
import { levelColumn, notTrashed, readableBySet, readableRow, readableSql } from '../accounts/readable-sql.ts';
import { IS_TRASHED } from '../records/columns.ts';
import type { Condition } from '../records/filters.ts';
import { isUuid } from '../records/ids.ts';
import { COUNT_BOUND, orderBy } from '../records/list-parameters.ts';
import { DEFAULT_LIMIT, type ListParameters, MAX_LIMIT, type ReadDatabase, type Scope } from '../records/list-query.ts';
import { normaliseTime } from '../records/times.ts';
import type { Search } from '../search/search.ts';
import { COLLECTIONS, GROUPS } from './tables.ts';

const AT_MOST = new Set(['=', '<', '<=']);

/** Filters on these leave few rows: what is readable is judged row by row. */
const SELECTIVE = new Set(['uuid', 'portable_data_hash', 'owner_uuid']);
const UNTRASHED: Condition = { sql: `NOT ${IS_TRASHED}`, values: [] };

/**
 * How a list of collections or groups finds what the user may read. By an index where a filter names few rows or one
 * owner; newest first as far as the page goes; else through all projects that the user may read.
 * @param candidates what the search index found for the filters: judged one by one
 */
export function scopeOf(
  table: 'collections' | 'groups',
  parameters: ListParameters,
  user: User,
  includeTrash: boolean,
  candidates: readonly string[] | null = null,
): Scope {
  const filters = filtersOf(parameters.filters);
  const owner = ownerAsked(filters);
  const extra = levelColumn(table, user, parameters.select, owner);
  const shown = includeTrash ? [] : [notTrashed(table, owner)];
  const among =
    candidates === null
      ? []
      : [{ sql: `${table}.uuid IN (SELECT value FROM json_each(?))`, values: [JSON.stringify(candidates)] }];
  if (user.isAdmin || candidates !== null || filters.some(isSelective))
    return { conditions: [...among, ...readableRow(table, user, owner), ...shown], extra };
  const conditions = [readableBySet(table, user), ...shown];
  const all: Scope = { ctes: readableSql(user, includeTrash), conditions, extra };
  if (table === 'groups' || parameters.distinct === true || !isNewestFirst(parameters.order)) return all;
  const { sql, values } = newestFirst(user, includeTrash, latestAsked(filters));
  return {
    ...countedWithin(user, includeTrash, conditions),
    ordered: {
      ctes: sql,
      values,
      from: NEWEST_COLLECTIONS.from,
      conditions: [{ sql: NEWEST_COLLECTIONS.where, values: [] }, ...(includeTrash ? [] : [UNTRASHED])],
      extra: extra.length === 0 ? [] : [`${newestLevelSql(user)} AS permission_level`],
    },
  };
}

/** A scope for counting: it does not look through more than COUNT_BOUND projects. */
function countedWithin(user: User, includeTrash: boolean, conditions: Condition[]): Scope {
  return {
    ctes: readableSql(user, includeTrash, COUNT_BOUND),
    conditions,
    isCut: `(SELECT count(*) FROM readable) > ${COUNT_BOUND}`,
  };
}

/** What choosing a way takes. */
export interface Finding {
  db: ReadDatabase;
  search: Pick<Search, 'candidates'>;
}

/**
 * `scopeOf`, by the cheapest way: the search index where the filters are about texts, and an index of all records where an
 * order by time is asked for and the user may read much of what there is.
 */
export async function findingScope(
  { db, search }: Finding,
  table: 'collections' | 'groups',
  parameters: ListParameters,
  user: User,
  includeTrash: boolean,
): Promise<Scope> {
  const filters = filtersOf(parameters.filters);
  if (filters.some((filter) => isSelective(filter) && filter[0] !== 'owner_uuid'))
    return scopeOf(table, parameters, user, includeTrash);
  const candidates = await search.candidates(table, parameters.filters);
  const scope = scopeOf(table, parameters, user, includeTrash, candidates);
  const index = timeOrder(parameters.order);
  const isSettled = candidates !== null || scope.ctes === undefined || scope.ordered !== undefined;
  if (isSettled || index === null || parameters.distinct === true) return scope;
  if (!(await isMuchReadable(db, table, user, includeTrash, parameters.limit))) return scope;
  return {
    ...scope,
    ...countedWithin(user, includeTrash, scope.conditions),
    ordered: {
      values: [],
      from: `${table} INDEXED BY ${table}_${index}`,
      conditions: [...readableRow(table, user), ...(includeTrash ? [] : [notTrashed(table)])],
      ...(scope.extra === undefined ? {} : { extra: scope.extra }),
      order: orderBy(table === 'collections' ? COLLECTIONS : GROUPS, parameters.order),
    },
  };
}

/** Rows that it takes to judge one record. */
const ROWS_TO_JUDGE = 8;

/** Whether a page costs less by judging all records in their order than by looking through what the user may read. */
async function isMuchReadable(
  db: ReadDatabase,
  table: 'collections' | 'groups',
  user: User,
  includeTrash: boolean,
  limit: unknown,
): Promise<boolean> {
  const row = await db
    .prepare(
      `WITH RECURSIVE ${readableSql(user, includeTrash, COUNT_BOUND)} SELECT (SELECT count(*) FROM readable) AS readable,
         (SELECT max(rowid) FROM groups) AS groups, (SELECT max(rowid) FROM collections) AS collections`,
    )
    .first<Record<'readable' | 'groups' | 'collections', number | null>>();
  const [readable, groups] = [Math.max(1, row?.readable ?? 0), Math.max(1, row?.groups ?? 0)];
  const inside = table === 'groups' ? 1 : 1 + (row?.collections ?? 0) / groups;
  const rows = Math.min(Math.max(1, Number(limit ?? DEFAULT_LIMIT) || 1), MAX_LIMIT);
  return (rows * ROWS_TO_JUDGE * groups) / readable < readable * inside;
}

/** The index for an order by time: `created` or `modified`, with nothing but `uuid` after it. */
function timeOrder(order: unknown): string | null {
  const [first = 'modified_at', second, ...rest] = orderTerms(order);
  const [, name] = /^(created|modified)_at( asc| desc)?$/.exec(first) ?? [];
  if (name === undefined || rest.length > 0 || !/^(uuid( asc| desc)?)?$/.test(second ?? '')) return null;
  return name;
}

function filtersOf(filters: unknown): unknown[][] {
  return Array.isArray(filters) ? filters.filter((filter) => Array.isArray(filter)) : [];
}

function isSelective([name, operator]: unknown[]): boolean {
  return SELECTIVE.has(String(name)) && (operator === '=' || String(operator).toLowerCase() === 'in');
}

/** SQL of the one owner whose things are asked for; undefined for any. */
function ownerAsked(filters: unknown[][]): string | undefined {
  const owner = filters.find(([name, operator]) => name === 'owner_uuid' && operator === '=')?.[2];
  return typeof owner === 'string' && isUuid(owner) ? quoted(owner) : undefined;
}

/** The time that no record asked for is newer than, in the stored form; null for none. */
function latestAsked(filters: unknown[][]): string | null {
  const times = filters.flatMap(([name, operator, operand]) =>
    name === 'modified_at' && AT_MOST.has(String(operator)) ? (normaliseTime(String(operand)) ?? []) : [],
  );
  return times.sort()[0] ?? null;
}

function isNewestFirst(order: unknown): boolean {
  const [first, second, ...rest] = orderTerms(order);
  if (first === undefined) return true;
  return first === 'modified_at desc' && (second === undefined || second === 'uuid desc') && rest.length === 0;
}

/** The terms of an order, in small letters and without the table's name. */
function orderTerms(order: unknown): string[] {
  const terms = Array.isArray(order) ? order.map(String) : typeof order === 'string' ? order.split(',') : [];
  return terms
    .map((term) =>
      term
        .trim()
        .toLowerCase()
        .replace(/^(collections|groups)\./, ''),
    )
    .filter((term) => term !== '');
}
