import * as v from 'valibot';
import { requireAdmin } from '../../accounts/users.ts';
import type { RequestContext } from '../../http/context.ts';
import { KeepError } from '../../keep/errors.ts';
import type { Row } from '../../records/columns.ts';
import { createUuid, INFIX, isUuid, systemUserUuid } from '../../records/ids.ts';
import { formatTime } from '../../records/times.ts';
import type { ServiceRecord } from '../../services/keep-service.ts';
import type { AdminRecord } from '../../services/service-directory.ts';
import { answer, listOf } from './answer.ts';
import { type ApiCall, type EmbeddedApi, pathPart, readBody } from './call.ts';

const HTTPS_PORT = 443;
const HTTP_PORT = 80;
const MAX_PORT = 65_535;
const ALL = 1000;
const KIND = 'arvados#keepService';

const Text = v.pipe(v.string(), v.maxLength(255, 'value too long'));
/** A host, an IPv4 or an IPv6 address, without scheme or path. */
const Host = v.pipe(Text, v.regex(/^[A-Za-z0-9._-]+$|^\[?[0-9A-Fa-f:.]+\]?$/, 'write a host or an address'));
const ServiceBody = v.object({
  uuid: v.optional(v.string()),
  service_host: v.optional(Host),
  service_port: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(MAX_PORT))),
  service_ssl_flag: v.optional(v.boolean()),
  service_type: v.optional(v.pipe(Text, v.minLength(1, "can't be blank"))),
  read_only: v.optional(v.boolean()),
});

/**
 * The services that clients read from and write to: this one, as the cluster's proxy at the address of the request, its
 * gateways at the same address, and those that an admin added. Needs no token, as in the Arvados API.
 */
export async function accessibleServices(context: RequestContext, api: EmbeddedApi): Promise<Response> {
  const isExternal = context.request.headers.get('X-External-Client') === '1';
  const items = await allServices(context, api);
  const own = new Set(api.facts.gateways.map(({ uuid }) => uuid));
  // This service's own gateways have its address, which is reached from outside.
  const isReached = ({ service_type, uuid }: Row) => service_type === 'proxy' || own.has(String(uuid));
  return page(items.filter((item) => !isExternal || isReached(item)));
}

export async function listServices(call: ApiCall, api: EmbeddedApi): Promise<Response> {
  const items = await allServices(call.context, api);
  const filters = filtersOf(call.parameters.filters);
  return page(items.filter((item) => filters.every((matches) => matches(item))));
}

export async function getService(call: ApiCall, api: EmbeddedApi): Promise<Response> {
  const uuid = pathPart(call);
  const found = (await allServices(call.context, api)).find((item) => item.uuid === uuid);
  if (found === undefined) throw new KeepError('not_found', { message: 'Path not found' });
  return answer(found);
}

export async function createService(call: ApiCall, { directory, facts }: EmbeddedApi): Promise<Response> {
  requireAdmin(call.user);
  const body = bodyOf((await readBody(call)).record);
  const uuid = body.uuid ?? createUuid(facts.clusterId, INFIX.keepService);
  if (!isUuid(uuid, INFIX.keepService) || !uuid.startsWith(facts.clusterId))
    throw invalid('uuid: not one of this cluster');
  if (
    facts.gateways.some((gateway) => gateway.uuid === uuid) ||
    (await directory.adminRecords()).some((known) => known.uuid === uuid)
  )
    throw invalid('uuid: has already been taken');
  if (body.service_host === undefined) throw invalid("service_host: can't be blank");
  const time = formatTime(Date.now());
  const record: AdminRecord = {
    uuid,
    service_host: body.service_host,
    service_port: body.service_port ?? (body.service_ssl_flag === true ? HTTPS_PORT : HTTP_PORT),
    service_ssl_flag: body.service_ssl_flag ?? false,
    service_type: body.service_type ?? 'disk',
    read_only: body.read_only ?? false,
    created_at: time,
    modified_at: time,
  };
  await directory.putRecord(record);
  return answer(toItem(record, facts.clusterId));
}

export async function updateService(call: ApiCall, { directory, facts }: EmbeddedApi): Promise<Response> {
  requireAdmin(call.user);
  const { uuid: _, ...changes } = bodyOf((await readBody(call)).record);
  const present = Object.fromEntries(Object.entries(changes).filter(([, value]) => value !== undefined));
  const record = { ...(await adminRecord(call, directory)), ...present, modified_at: formatTime(Date.now()) };
  await directory.putRecord(record);
  return answer(toItem(record, facts.clusterId));
}

export async function deleteService(call: ApiCall, { directory, facts }: EmbeddedApi): Promise<Response> {
  requireAdmin(call.user);
  const record = await adminRecord(call, directory);
  await directory.deleteRecord(record.uuid);
  return answer(toItem(record, facts.clusterId));
}

/**
 * The number of copies that clients ask for by default, and that keep-balance keeps. With this service alone it is what
 * its volumes can keep, because clients fail when they ask for more; with other services it is the configured one, or
 * keep-balance would take the copies there for too many.
 */
export async function replicationTold(context: RequestContext, { directory, facts }: EmbeddedApi): Promise<number> {
  const { defaultReplication, possibleReplication } = facts;
  const own = ownService(context, facts.clusterId);
  const isOther = ({ service_type, service_host, service_port }: ServiceRecord) =>
    !String(service_type).startsWith('gateway:') &&
    !(service_host === own.service_host && service_port === own.service_port);
  // A list that cannot be read may hold other services.
  const hasOthers = await directory.adminRecords().then(
    (records) => records.some(isOther),
    () => true,
  );
  return hasOthers ? defaultReplication : Math.min(defaultReplication, possibleReplication);
}

/** Exactly 15 characters at the end of the UUID: clients compute the probe order from them. */
function ownService({ url }: RequestContext, clusterId: string): ServiceRecord {
  const https = url.protocol === 'https:';
  return {
    uuid: `${clusterId}-${INFIX.keepService}-keepedge0000000`,
    service_host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
    service_port: Number(url.port) || (https ? HTTPS_PORT : HTTP_PORT),
    service_ssl_flag: https,
    service_type: 'proxy',
    read_only: false,
  };
}

async function allServices(
  context: RequestContext,
  { directory, facts: { clusterId, gateways } }: EmbeddedApi,
): Promise<Row[]> {
  const self = ownService(context, clusterId);
  const own = gateways.map(({ uuid, name }) => ({ ...self, uuid, service_type: `gateway:${name}`, read_only: true }));
  const names = new Set(gateways.map(({ uuid }) => uuid));
  const others = (await directory.serviceRecords()).filter(({ uuid }) => !names.has(uuid));
  const records = [self, ...own, ...others];
  return records.map((record) => toItem(record, clusterId));
}

function toItem(record: ServiceRecord, clusterId: string): Row {
  return { kind: KIND, owner_uuid: systemUserUuid(clusterId), ...record };
}

function page(items: Row[]): Response {
  return answer(listOf(KIND, { items, offset: 0, limit: ALL, items_available: items.length }));
}

/** @throws KeepError not_found, also for this service's own record, which cannot be changed */
async function adminRecord(call: ApiCall, directory: EmbeddedApi['directory']): Promise<AdminRecord> {
  const uuid = pathPart(call);
  const record = (await directory.adminRecords()).find((known) => known.uuid === uuid);
  if (record === undefined) throw new KeepError('not_found', { message: 'Path not found' });
  return record;
}

function bodyOf(record: Row): v.InferOutput<typeof ServiceBody> {
  const result = v.safeParse(ServiceBody, record);
  if (result.success) return result.output;
  throw invalid(`${v.getDotPath(result.issues[0]) ?? 'keep_service'}: ${result.issues[0].message}`);
}

/** Filters on a few records in memory: clients only compare for equality. */
function filtersOf(filters: unknown): ((item: Row) => boolean)[] {
  if (filters === undefined || filters === null) return [];
  if (!Array.isArray(filters)) throw invalid('filters must be an array of [attribute, operator, operand]');
  return filters.map((filter) => {
    const [attribute, operator, operand] = Array.isArray(filter) ? (filter as unknown[]) : [];
    if (typeof attribute !== 'string') throw invalid('a filter is [attribute, operator, operand]');
    const values = Array.isArray(operand) ? operand : [operand];
    if (operator === '=' || operator === 'in') return (item) => values.includes(item[attribute]);
    if (operator === '!=' || operator === 'not in') return (item) => !values.includes(item[attribute]);
    throw invalid('keep_services are filtered by =, !=, in and not in');
  });
}

const invalid = (message: string) => new KeepError('invalid_record', { message });
