import type { User } from '../accounts/account.ts';
import { NEWEST_COLLECTIONS, newestFirst, newestLevelSql } from '../accounts/newest-first.ts';
import { quoted } from '../accounts/permission-sql.ts';
import { levelColumn, notTrashed, readableBySet, readableRow, readableSql } from '../accounts/readable-sql.ts';
import { IS_TRASHED } from '../records/columns.ts';
import type { Condition } from '../records/filters.ts';
import { isUuid } from '../records/ids.ts';
import type { ListParameters, Scope } from '../records/list-query.ts';
import { normaliseTime } from '../records/times.ts';
import type { Search } from '../search/search.ts';

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
  const all: Scope = {
    ctes: readableSql(user, includeTrash),
    conditions: [readableBySet(table, user), ...shown],
    extra,
  };
  if (table === 'groups' || parameters.distinct === true || !isNewestFirst(parameters.order)) return all;
  const { sql, values } = newestFirst(user, includeTrash, latestAsked(filters));
  return {
    ...all,
    ordered: {
      ctes: sql,
      values,
      from: NEWEST_COLLECTIONS.from,
      conditions: [{ sql: NEWEST_COLLECTIONS.where, values: [] }, ...(includeTrash ? [] : [UNTRASHED])],
      extra: extra.length === 0 ? [] : [`${newestLevelSql(user)} AS permission_level`],
    },
  };
}

/** `scopeOf`, through the search index where the filters are about texts. */
export async function searchedScope(
  search: Pick<Search, 'candidates'>,
  table: 'collections' | 'groups',
  parameters: ListParameters,
  user: User,
  includeTrash: boolean,
): Promise<Scope> {
  const namesFew = filtersOf(parameters.filters).some((filter) => isSelective(filter) && filter[0] !== 'owner_uuid');
  const candidates = namesFew ? null : await search.candidates(table, parameters.filters);
  return scopeOf(table, parameters, user, includeTrash, candidates);
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
  const [first, second, ...rest] = (
    Array.isArray(order) ? order.map(String) : typeof order === 'string' ? order.split(',') : []
  ).map((term) =>
    term
      .trim()
      .toLowerCase()
      .replace(/^collections\./, ''),
  );
  if (first === undefined || first === '') return true;
  return first === 'modified_at desc' && (second === undefined || second === 'uuid desc') && rest.length === 0;
}
