import type { User } from '../../accounts/account.ts';
import { withLevel } from '../../accounts/levels.ts';
import { readableSql } from '../../accounts/readable-sql.ts';
import { describeGroup } from '../../collections/groups.ts';
import { findingScope, scopeOf } from '../../collections/scope.ts';
import { COLLECTIONS, GROUPS } from '../../collections/tables.ts';
import { COLLECTION_STATES, STATES_CTE, scopeOfStates } from '../../collections/version-states.ts';
import { KeepError } from '../../keep/errors.ts';
import { columnOf, type Row, type Table } from '../../records/columns.ts';
import type { Condition } from '../../records/filters.ts';
import { INFIX, isUuid } from '../../records/ids.ts';
import { DEFAULT_LIMIT, type ListParameters, listRecords, MAX_LIMIT, type Scope } from '../../records/list-query.ts';
import { answer, listOf } from './answer.ts';
import type { ApiCall, EmbeddedApi } from './call.ts';
import { isSet } from './parameters.ts';

/**
 * The contents of a project or home, or everything readable when none is named: projects, then collections, without
 * manifests. `recursive` goes into the projects inside; `exclude_home_project` leaves out the user's own home.
 */
export async function groupContents(call: ApiCall, api: EmbeddedApi): Promise<Response> {
  const { uuid, filters, limit: rawLimit, offset: rawOffset, ...parameters } = call.parameters;
  const owner = call.path[0] ?? uuid;
  if (owner !== undefined && (typeof owner !== 'string' || !isUuid(owner)))
    throw new KeepError('not_found', { message: 'Path not found' });
  const includeTrash = isSet(parameters, 'include_trash');
  if (owner !== undefined && isUuid(owner, INFIX.group)) await api.groups.get(owner, call.user, includeTrash);
  const recursive = isSet(parameters, 'recursive');
  const shared = isSet(parameters, 'exclude_home_project');
  const limit = Math.min(Number(rawLimit ?? DEFAULT_LIMIT), MAX_LIMIT);
  let offset = Number(rawOffset ?? 0);
  const items: Row[] = [];
  let available = 0;
  /** A page cut short for its bytes: what follows belongs to the next one, and is only counted. */
  let isCut = false;
  for (const table of [GROUPS, COLLECTIONS] as const) {
    const own = filtersFor(table, filters);
    if (own === null) continue;
    if (owner !== undefined && !recursive) own.push(['owner_uuid', '=', owner]);
    const wanted = pageOf(table, parameters, own, isCut ? 0 : limit - items.length, offset);
    const isPastToo = table === COLLECTIONS && isSet(parameters, 'include_old_versions');
    const more = [
      ...(table.name === 'groups' ? [PROJECTS] : []),
      ...(owner !== undefined && recursive ? [insideOf(owner)] : []),
      ...(shared ? [outsideHome(isPastToo ? COLLECTION_STATES.name : table.name, call.user)] : []),
    ];
    // How much of an offset is left for the next table must be known exactly.
    const countAll = offset > 0;
    const page = await api.near.read(async (db) => {
      const scope = isPastToo
        ? scopeOfStates(wanted, call.user, includeTrash)
        : await findingScope({ db, search: api.search }, table.name, wanted, call.user, includeTrash);
      const counting = { ...narrowed(scope, more, shared ? call.user : null, isPastToo), countAll };
      return listRecords(db, isPastToo ? COLLECTION_STATES : table, wanted, counting);
    });
    items.push(...page.items.map((item) => ({ kind: table.kind, ...withLevel(item) })));
    available += page.items_available ?? 0;
    offset = Math.max(0, offset - (page.items_available ?? 0));
    if (page.limit < Number(wanted.limit)) isCut = true;
  }
  const counted = parameters.count === 'none' ? {} : { items_available: available };
  return answer({
    kind: 'arvados#objectList',
    etag: '',
    self_link: '',
    offset: Number(rawOffset ?? 0),
    limit: isCut ? items.length : limit,
    items,
    included: await included(call, api, items),
    ...counted,
  });
}

const PROJECTS: Condition = { sql: "group_class = 'project'", values: [] };

function insideOf(owner: string): Condition {
  return {
    sql: 'owner_uuid = ? OR owner_uuid IN (SELECT uuid FROM ancestors WHERE ancestor = ?)',
    values: [owner, owner],
  };
}

/** A scope with further conditions. @param readableFor set when these refer to `readable`; `isOfStates`: past versions are in it */
function narrowed(scope: Scope, conditions: Condition[], readableFor: User | null, isOfStates = false): Scope {
  if (conditions.length === 0) return scope;
  return {
    ...scope,
    ...(readableFor === null
      ? {}
      : {
          ctes: [readableSql(readableFor, true), ...(isOfStates ? [STATES_CTE] : [])].join(', '),
          ordered: null,
          isCut: '0',
        }),
    conditions: [...scope.conditions, ...conditions],
    ...(scope.ordered && readableFor === null
      ? { ordered: { ...scope.ordered, conditions: [...scope.ordered.conditions, ...conditions] } }
      : {}),
  };
}

/** What is in another's home, or in a project that the user may not read. */
function outsideHome(table: string, { uuid }: User): Condition {
  return {
    sql: `(substr(${table}.owner_uuid, 7, 5) = 'tpzed' AND ${table}.owner_uuid <> ?) OR ${table}.owner_uuid NOT IN (SELECT uuid FROM readable)`,
    values: [uuid],
  };
}

/** Parameters for one table. An offset needs the exact count, to know how much of it is left for the next table. */
function pageOf(table: Table, parameters: Row, filters: unknown[], limit: number, offset: number): ListParameters {
  const { select, order, count } = parameters;
  const known = Array.isArray(select)
    ? select.filter(
        (name) => typeof name === 'string' && columnOf(table, name) !== undefined && !columnOf(table, name)?.onRequest,
      )
    : undefined;
  return {
    filters,
    order,
    limit,
    offset,
    count: offset > 0 ? 'exact' : count,
    ...(known === undefined ? {} : { select: known }),
  };
}

/** The filters for a table, without its name before the attribute; null when one excludes the table. */
function filtersFor(table: Table, filters: unknown): unknown[] | null {
  if (filters === undefined || filters === null) return [];
  if (!Array.isArray(filters)) throw new KeepError('invalid_record', { message: 'filters must be an array' });
  const own: unknown[] = [];
  for (const filter of filters) {
    const [attribute, operator, operand] = Array.isArray(filter) ? (filter as unknown[]) : [];
    if (attribute === 'uuid' && operator === 'is_a') {
      if (!(Array.isArray(operand) ? operand : [operand]).includes(table.kind)) return null;
    } else if (
      typeof attribute === 'string' &&
      /^(groups|collections|container_requests|workflows)\./.test(attribute)
    ) {
      if (attribute.startsWith(`${table.name}.`)) own.push([attribute.slice(table.name.length + 1), operator, operand]);
    } else {
      own.push(filter);
    }
  }
  return own;
}

/** Projects and roles that others share: whose owner is neither the user nor a project that the user may read. */
export async function sharedGroups(call: ApiCall, api: EmbeddedApi): Promise<Response> {
  const includeTrash = isSet(call.parameters, 'include_trash');
  const page = await api.near.read(async (db) => {
    const scope = await findingScope({ db, search: api.search }, 'groups', call.parameters, call.user, includeTrash);
    const outside = narrowed(scope, [outsideHome('groups', call.user)], call.user);
    return listRecords(db, GROUPS, call.parameters, outside);
  });
  const items = page.items.map(describeGroup);
  return answer({
    ...listOf(GROUPS.kind, { ...page, items }),
    included: await included(call, api, items),
  });
}

/** The owners of these records, as far as the user may read them, when `include` asks for them. */
async function included({ parameters, user }: ApiCall, { near, users }: EmbeddedApi, items: Row[]): Promise<Row[]> {
  const { include } = parameters;
  if (!(Array.isArray(include) ? include : [include]).includes('owner_uuid')) return [];
  const owners = [...new Set(items.map((item) => String(item.owner_uuid)))];
  const wanted = { filters: [['uuid', 'in', owners]], count: 'none', limit: MAX_LIMIT };
  const groups = await near.read((db) => listRecords(db, GROUPS, wanted, scopeOf('groups', wanted, user, false)));
  const people = await near.read((db) => users.list(wanted, user, db));
  return [...groups.items.map(describeGroup), ...people.items];
}

/** Workflows are not kept here, and what asks for those of a project finds none. */
export async function noWorkflows(): Promise<Response> {
  return answer(listOf('arvados#workflow', { items: [], offset: 0, limit: 0, items_available: 0 }));
}
