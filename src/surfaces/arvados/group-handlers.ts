import { checkAttributes, LogAttributes } from '../../collections/attributes.ts';
import { auditOnly, takeAudit } from '../../collections/audit-trail.ts';
import { readableLogs, readableLogsApart, recordEvent } from '../../collections/log-record.ts';
import { GROUPS, LOGS } from '../../collections/tables.ts';
import type { Row } from '../../records/columns.ts';
import { listRecords } from '../../records/list-query.ts';
import { answer, listOf } from './answer.ts';
import { type ApiCall, type EmbeddedApi, pathPart, readBody } from './call.ts';
import { isSet } from './parameters.ts';

export async function getGroup(call: ApiCall, { groups }: EmbeddedApi): Promise<Response> {
  return answer(await groups.get(pathPart(call), call.user, isSet(call.parameters, 'include_trash')));
}

export async function listGroups(call: ApiCall, { groups, search, near }: EmbeddedApi): Promise<Response> {
  const includeTrash = isSet(call.parameters, 'include_trash');
  const page = await near.read((db) => groups.list(call.parameters, call.user, includeTrash, { db, search }));
  return answer(listOf(GROUPS.kind, page));
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

/** POST logs. */
export async function createLog(call: ApiCall, { logsDb, facts }: EmbeddedApi): Promise<Response> {
  const { record } = await readBody(call);
  const attributes = checkAttributes(LogAttributes, record);
  const event = {
    event_type: attributes.event_type ?? null,
    object_uuid: attributes.object_uuid ?? null,
    summary: attributes.summary ?? null,
    properties: JSON.parse(attributes.properties ?? '{}') as Row,
    event_at: attributes.event_at ?? null,
  };
  return answer(await recordEvent(logsDb, facts.clusterId, call.user.uuid, event, call.context.now * 1000));
}

/** Of what has just been changed, too; the rest is taken in by the cron. */
const AUDIT_STEPS = 4;

/** A user sees the events that they reported and those of records that they may read; an admin all. */
export async function listLogs(call: ApiCall, { db, logsDb, facts }: EmbeddedApi): Promise<Response> {
  const { parameters, user } = call;
  await takeAudit(db, logsDb, facts.clusterId, AUDIT_STEPS);
  const conditions =
    logsDb === db ? readableLogs(user) : await readableLogsApart(db, user, objectsAsked(parameters.filters));
  return answer(
    listOf(
      LOGS.kind,
      await listRecords(logsDb, LOGS, parameters, { conditions: [...conditions, ...auditOnly(parameters.filters)] }),
    ),
  );
}

/** The objects that a list's filters name. */
function objectsAsked(filters: unknown): string[] {
  const asked = (Array.isArray(filters) ? filters : []).flatMap((filter) =>
    Array.isArray(filter) && filter[0] === 'object_uuid' && ['=', 'in'].includes(filter[1]) ? [filter[2]].flat() : [],
  );
  return asked.filter((uuid) => typeof uuid === 'string');
}
