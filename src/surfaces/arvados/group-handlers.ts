import { recordEvent } from '../../collections/log-record.ts';
import { NOT_TRASHED, ownedBy } from '../../collections/permission.ts';
import { COLLECTIONS, GROUPS, LOGS } from '../../collections/tables.ts';
import { KeepError } from '../../keep/errors.ts';
import type { Row } from '../../records/columns.ts';
import { columnOf, type Table } from '../../records/columns.ts';
import { isUuid } from '../../records/ids.ts';
import {
  DEFAULT_LIMIT,
  type ListParameters,
  type ListResult,
  listRecords,
  MAX_LIMIT,
} from '../../records/list-query.ts';
import { normaliseTime } from '../../records/times.ts';
import { answer, listOf } from './answer.ts';
import { type ApiCall, type EmbeddedApi, pathPart, readBody } from './call.ts';
import { isSet } from './parameters.ts';

export async function getGroup(call: ApiCall, { groups }: EmbeddedApi): Promise<Response> {
  return answer(await groups.get(pathPart(call), call.user, isSet(call.parameters, 'include_trash')));
}

export async function listGroups(call: ApiCall, { groups }: EmbeddedApi): Promise<Response> {
  return answer(
    listOf(GROUPS.kind, await groups.list(call.parameters, call.user, isSet(call.parameters, 'include_trash'))),
  );
}

export async function createGroup(call: ApiCall, { groups }: EmbeddedApi): Promise<Response> {
  const { record } = await readBody(call);
  return answer(await groups.create(record, call.user, isSet(call.parameters, 'ensure_unique_name')));
}

export async function updateGroup(call: ApiCall, { groups }: EmbeddedApi): Promise<Response> {
  const { record } = await readBody(call);
  return answer(await groups.update(pathPart(call), record, call.user));
}

export async function trashGroup(call: ApiCall, { groups }: EmbeddedApi): Promise<Response> {
  return answer(await groups.trash(pathPart(call), call.user));
}

export async function untrashGroup(call: ApiCall, { groups }: EmbeddedApi): Promise<Response> {
  return answer(await groups.untrash(pathPart(call), call.user));
}

/** The contents of a project or a home: projects, then collections, without manifests. */
export async function groupContents(call: ApiCall, { db }: EmbeddedApi): Promise<Response> {
  const { uuid, filters, limit: rawLimit, offset: rawOffset, ...parameters } = call.parameters;
  const owner = call.path[0] ?? uuid;
  if (owner !== undefined && (typeof owner !== 'string' || !isUuid(owner)))
    throw new KeepError('not_found', { message: 'Path not found' });
  const conditions = [
    ...ownedBy(call.user),
    ...(isSet(parameters, 'include_trash') ? [] : [NOT_TRASHED]),
    ...(owner === undefined ? [] : [{ sql: 'owner_uuid = ?', values: [owner] }]),
  ];
  const limit = Math.min(Number(rawLimit ?? DEFAULT_LIMIT), MAX_LIMIT);
  let offset = Number(rawOffset ?? 0);
  const items: Row[] = [];
  let available = 0;
  for (const table of [GROUPS, COLLECTIONS]) {
    const own = filtersFor(table, filters);
    if (own === null) continue;
    const page: ListResult = await listRecords(
      db,
      table,
      pageOf(table, parameters, own, limit - items.length, offset),
      conditions,
    );
    items.push(...page.items.map((item) => ({ kind: table.kind, ...item })));
    available += page.items_available ?? 0;
    offset = Math.max(0, offset - (page.items_available ?? 0));
  }
  const counted = parameters.count === 'none' ? {} : { items_available: available };
  return answer({
    kind: 'arvados#objectList',
    etag: '',
    self_link: '',
    offset: Number(rawOffset ?? 0),
    limit,
    items,
    included: [],
    ...counted,
  });
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

/** POST logs. */
export async function createLog(call: ApiCall, { db, facts }: EmbeddedApi): Promise<Response> {
  const { record } = await readBody(call);
  const text = (name: string) => (typeof record[name] === 'string' ? record[name] : null);
  const event = {
    event_type: text('event_type'),
    object_uuid: text('object_uuid'),
    summary: text('summary'),
    properties: (record.properties ?? {}) as Record<string, unknown>,
    event_at: normaliseTime(text('event_at') ?? ''),
  };
  return answer(await recordEvent(db, facts.clusterId, call.user.uuid, event, call.context.now * 1000));
}

/** A user sees the events that they reported; an admin all. */
export async function listLogs(call: ApiCall, { db }: EmbeddedApi): Promise<Response> {
  return answer(listOf(LOGS.kind, await listRecords(db, LOGS, call.parameters, ownedBy(call.user))));
}
