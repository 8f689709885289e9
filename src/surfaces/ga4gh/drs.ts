import * as v from 'valibot';
import type { RequestContext } from '../../http/context.ts';
import { failureOf } from '../../http/error-response.ts';
import { limitedText } from '../../http/limited-text.ts';
import { type DrsId, formatDrsId, parseDrsId } from '../../keep/drs-id.ts';
import { isKeepError, KeepError } from '../../keep/errors.ts';
import { isUuid } from '../../records/ids.ts';
import { accessUrl, originOf } from './access-url.ts';
import type { Ga4ghDependencies } from './dependencies.ts';
import { contentsBudget, drsObject, HTTPS } from './drs-objects.ts';
import { fileAt, type Opened, openCollection, requireDownload } from './open-file.ts';

/** Ids in one bulk request. */
export const MAX_BULK = 1000;
const MAX_BODY_BYTES = 1024 * 1024;

const One = v.object({ expand: v.optional(v.boolean()), passports: v.optional(v.array(v.string())) });
const Objects = v.object({ bulk_object_ids: v.array(v.string()), passports: v.optional(v.array(v.string())) });
const Access = v.object({
  bulk_object_access_ids: v.array(v.object({ bulk_object_id: v.string(), bulk_access_ids: v.array(v.string()) })),
  passports: v.optional(v.array(v.string())),
});

/** `GET` and `POST /objects/{id}`. */
export async function getObject(context: RequestContext, deps: Ga4ghDependencies, id: string): Promise<Response> {
  const { request, url } = context;
  const body = request.method === 'POST' ? await readBody(request, One) : {};
  const expand = body.expand ?? url.searchParams.get('expand') === 'true';
  const drsId = await idOf(context, deps, id);
  const opened = await openCollection(context, deps, drsId.portableDataHash);
  return json(await drsObject(context, deps, opened, drsId, expand));
}

/** `GET` and `POST /objects/{id}/access/{access_id}`. */
export async function getAccess(
  context: RequestContext,
  deps: Ga4ghDependencies,
  id: string,
  accessId: string,
): Promise<Response> {
  if (context.request.method === 'POST') await readBody(context.request, One);
  const drsId = await idOf(context, deps, id);
  const opened = await openCollection(context, deps, drsId.portableDataHash);
  return json({ url: await accessTo(context, deps, opened, drsId, accessId) });
}

async function accessTo(
  context: RequestContext,
  deps: Ga4ghDependencies,
  opened: Opened,
  { path }: DrsId,
  accessId: string,
): Promise<string> {
  if (accessId !== HTTPS || fileAt(opened, path) === null)
    throw new KeepError('not_found', { message: 'no such object, or it has no such access_id' });
  await requireDownload(deps, opened);
  return accessUrl(context, deps, opened, path);
}

/** `POST /objects`. */
export async function bulkObjects(context: RequestContext, deps: Ga4ghDependencies): Promise<Response> {
  const { bulk_object_ids: ids } = await readBody(context.request, Objects);
  requireFew(ids.length);
  const expand = context.url.searchParams.get('expand') === 'true';
  const found: Record<string, unknown>[] = [];
  const budget = contentsBudget();
  const missing = await eachObject(context, deps, ids, async (opened, drsId) => {
    found.push(await drsObject(context, deps, opened, drsId, expand, budget));
  });
  return json({ ...summaryOf(new Set(ids).size, missing), resolved_drs_object: found });
}

/** `POST /objects/access`. */
export async function bulkAccess(context: RequestContext, deps: Ga4ghDependencies): Promise<Response> {
  const { bulk_object_access_ids: wanted } = await readBody(context.request, Access);
  requireFew(wanted.reduce((sum, { bulk_access_ids: ids }) => sum + ids.length, 0));
  const found: Record<string, unknown>[] = [];
  const missing = new Map<number, string[]>();
  for (const { bulk_object_id: id, bulk_access_ids: accessIds } of wanted) {
    const failed = await eachObject(context, deps, [id], async (opened, drsId) => {
      for (const accessId of accessIds) {
        const url = await accessTo(context, deps, opened, drsId, accessId);
        found.push({ drs_object_id: id, drs_access_id: accessId, url });
      }
    });
    for (const [status, ids] of failed) missing.set(status, [...(missing.get(status) ?? []), ...ids]);
  }
  return json({ ...summaryOf(wanted.length, missing), resolved_drs_object_access_urls: found });
}

/** `OPTIONS /objects/{id}`: what to send along to get the object. */
export async function authorizations(context: RequestContext, deps: Ga4ghDependencies, id: string): Promise<Response> {
  return json(await authorizationOf(context, deps, id));
}

/** `OPTIONS /objects`. */
export async function bulkAuthorizations(context: RequestContext, deps: Ga4ghDependencies): Promise<Response> {
  const { bulk_object_ids: ids } = await readBody(context.request, Objects);
  requireFew(ids.length);
  const found: Record<string, unknown>[] = [];
  const missing = new Map<number, string[]>();
  for (const id of ids) {
    try {
      found.push(await authorizationOf(context, deps, id));
    } catch (error) {
      addMissing(missing, error, id);
    }
  }
  return json({ ...summaryOf(ids.length, missing), resolved_drs_object: found });
}

async function authorizationOf(
  context: RequestContext,
  deps: Ga4ghDependencies,
  id: string,
): Promise<Record<string, unknown>> {
  const drsId = await idOf(context, deps, id);
  try {
    const { isPublic } = await openCollection(context, deps, drsId.portableDataHash);
    return { drs_object_id: id, supported_types: isPublic ? ['None', 'BearerAuth'] : ['BearerAuth'] };
  } catch (error) {
    // Not told apart from an object that does not exist.
    if (!isKeepError(error, 'no_token')) throw error;
    return { drs_object_id: id, supported_types: ['BearerAuth'] };
  }
}

/** Calls `use` for each id that can be opened, each collection once. @returns the others, by status */
async function eachObject(
  context: RequestContext,
  deps: Ga4ghDependencies,
  ids: readonly string[],
  use: (opened: Opened, id: DrsId) => Promise<void>,
): Promise<Map<number, string[]>> {
  const missing = new Map<number, string[]>();
  let last: { hash: string; opened: Opened } | undefined;
  for (const id of new Set(ids)) {
    try {
      const drsId = await idOf(context, deps, id);
      const hash = drsId.portableDataHash;
      if (last?.hash !== hash) last = { hash, opened: await openCollection(context, deps, hash) };
      await use(last.opened, drsId);
    } catch (error) {
      addMissing(missing, error, id);
    }
  }
  return missing;
}

function addMissing(missing: Map<number, string[]>, error: unknown, id: string): void {
  const { status } = failureOf(error);
  if (status >= 500) throw error;
  missing.set(status, [...(missing.get(status) ?? []), id]);
}

function summaryOf(requested: number, missing: Map<number, string[]>) {
  const unresolved = [...missing.values()].reduce((sum, ids) => sum + ids.length, 0);
  return {
    summary: { requested, resolved: requested - unresolved, unresolved },
    unresolved_drs_objects: [...missing].map(([error_code, object_ids]) => ({ error_code, object_ids })),
  };
}

/** @throws KeepError not_found; for a collection's UUID with a message that has the id of its content now */
async function idOf(context: RequestContext, deps: Ga4ghDependencies, text: string): Promise<DrsId> {
  const id = parseDrsId(text);
  if (id !== null) return id;
  const [uuid = '', ...path] = text.split(/[./]/);
  if (!isUuid(uuid)) throw new KeepError('not_found', { message: 'this is not an id of this service' });
  const { collection } = await openCollection(context, deps, uuid);
  const { portableDataHash } = collection;
  const now = formatDrsId({
    portableDataHash,
    path: path.length === 0 ? '' : text.slice(uuid.length + 1),
    isDirectory: false,
  });
  throw new KeepError('not_found', {
    message: `a collection's content may change, so its UUID is no id: now it is ${now}`,
  });
}

function requireFew(count: number): void {
  if (count > MAX_BULK) throw new KeepError('too_large', { message: `at most ${MAX_BULK} ids in one request` });
}

async function readBody<Schema extends v.GenericSchema>(
  request: Request,
  schema: Schema,
): Promise<v.InferOutput<Schema>> {
  const text = await limitedText(request, MAX_BODY_BYTES);
  let json: unknown;
  try {
    json = text === '' ? {} : JSON.parse(text);
  } catch {
    throw new KeepError('bad_request', { message: 'the body is not JSON' });
  }
  const { success, output, issues } = v.safeParse(schema, json);
  if (success) return output;
  throw new KeepError('bad_request', { message: `${v.getDotPath(issues[0]) ?? 'body'}: ${issues[0].message}` });
}

function json(body: unknown): Response {
  return Response.json(body, { headers: { 'Cache-Control': 'no-store' } });
}

/** Anything thrown as DRS writes errors. */
export function drsError(error: unknown): Response {
  const { status, message, headers } = failureOf(error);
  const challenge = status === 401 ? { 'WWW-Authenticate': 'Bearer realm="drs"' } : {};
  return Response.json({ msg: message, status_code: status }, { status, headers: { ...headers, ...challenge } });
}

/** `GET /service-info`. */
export function drsServiceInfo(context: RequestContext, { settings }: Ga4ghDependencies, version: string): Response {
  const origin = originOf(context);
  return json({
    id: `${settings.clusterId}.drs`,
    name: `Keep collections of ${settings.clusterId}`,
    type: { group: 'org.ga4gh', artifact: 'drs', version: '1.5.0' },
    organization: { name: settings.clusterId, url: origin },
    version,
    maxBulkRequestLength: MAX_BULK,
    drs: { maxBulkRequestLength: MAX_BULK },
  });
}
