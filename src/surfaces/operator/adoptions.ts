import * as v from 'valibot';
import type { User } from '../../accounts/account.ts';
import { type Signing, signManifest } from '../../collections/sign-manifest.ts';
import type { Gateway } from '../../gateways/adopted-blocks.ts';
import { type AdoptionHandle, type AdoptionStatus, OVER } from '../../gateways/adoption.ts';
import { estimateOf } from '../../gateways/costs.ts';
import { bucketName } from '../../gateways/gateway-config.ts';
import type { PlaceMap } from '../../gateways/places.ts';
import type { RequestContext } from '../../http/context.ts';
import { KeepError } from '../../keep/errors.ts';
import { MAX_BLOCK_BYTES } from '../../keep/limits.ts';
import { md5Hex } from '../../keep/md5.ts';
import { streamOfChunks } from '../../streams/chunk-stream.ts';
import { jsonChunks, TextStream } from '../../streams/json/encoder.ts';

export interface AdoptionDependencies {
  /** Null: no gateway is configured. */
  gateways: {
    gateways: Gateway[];
    map: Pick<PlaceMap, 'marks' | 'totals'>;
    adoption(id: string): AdoptionHandle;
  } | null;
  /** Of these groups, the first that the user is a member of, as the accounts' authority knows it now; null for none. */
  memberOf(context: RequestContext, user: User, groups: readonly string[]): Promise<string | null>;
  manifestSigning: Signing;
}

const BODY_BYTES = 4 * 1024 * 1024;
const MARKS_SHOWN = 100;
const Request = v.object({
  source: v.pipe(v.string(), v.maxLength(2048)),
  gateway: v.optional(v.string()),
  mode: v.optional(v.picklist(['adopt', 'plan', 'check', 'copy', 'cancel']), 'adopt'),
  hashing: v.optional(v.picklist(['service', 'client']), 'service'),
});
const Saved = v.object({
  project: v.pipe(v.string(), v.regex(/^[a-z0-9]{5}-(tpzed|j7d0g)-[a-z0-9]{15}$/)),
  collection: v.pipe(v.string(), v.regex(/^[a-z0-9]{5}-4zz18-[a-z0-9]{15}$/)),
});
const Hashed = v.object({
  objects: v.pipe(
    v.array(
      v.object({
        key: v.string(),
        etag: v.string(),
        size: v.pipe(v.number(), v.integer(), v.minValue(1)),
        hashes: v.array(v.pipe(v.string(), v.regex(/^[0-9a-f]{32}$/))),
      }),
    ),
    v.maxLength(1000),
  ),
});

/** `GET gateways`: those that the user may adopt from, with what is adopted and what readers have found changed. */
export async function gatewayList(context: RequestContext, user: User, deps: AdoptionDependencies): Promise<Response> {
  const shown: unknown[] = [];
  for (const { config } of deps.gateways?.gateways ?? []) {
    if (!(await mayAdopt(context, user, config.adoptableBy, deps))) continue;
    const [totals, marks] = await Promise.all([
      deps.gateways?.map.totals(config.uuid),
      deps.gateways?.map.marks(config.uuid, MARKS_SHOWN),
    ]);
    shown.push({
      uuid: config.uuid,
      name: config.name,
      source: `s3://${bucketName(config)}/${config.prefix}`,
      endpoint: config.driver.endpoint,
      region: config.driver.kind === 'S3' ? config.driver.region : null,
      path_style: config.driver.kind === 'S3' && config.driver.usePathStyle,
      storage_class: config.storageClass,
      replication: config.replication,
      block_bytes: MAX_BLOCK_BYTES,
      places: totals?.places ?? 0,
      bytes: totals?.bytes ?? 0,
      marked: totals?.marked ?? 0,
      marks: (marks ?? []).map(({ hash, length, key, start, problem, at }) => ({
        locator: `${hash}+${length}`,
        key,
        start,
        problem,
        at: new Date(at).toISOString(),
      })),
    });
  }
  return Response.json({ items: shown });
}

/**
 * `POST adoptions`, `GET adoptions/{id}`, `GET adoptions/{id}/manifest`, and what the command line tells of its part:
 * `POST adoptions/{id}/{cancel,collection,hashes}`, `GET adoptions/{id}/wanted`. An id is that of a gateway and a prefix.
 */
export async function adoptions(
  context: RequestContext,
  user: User,
  [id = '', action = '']: string[],
  deps: AdoptionDependencies,
): Promise<Response> {
  const { method } = context;
  if (id === '' && method === 'POST') return begin(context, user, deps);
  const { handle, status, gateway } = await opened(context, user, id, deps);
  if (method === 'GET' && action === '') return Response.json(statusRecord(id, status, gateway));
  if (method === 'GET' && action === 'manifest') return manifest(context, handle, deps);
  if (method === 'GET' && action === 'wanted')
    return Response.json({ items: await handle.wanted(context.url.searchParams.get('after') ?? '') });
  if (method === 'POST' && action === 'cancel') return Response.json(statusRecord(id, await handle.cancel(), gateway));
  if (method === 'POST' && action === 'collection') {
    const { project, collection } = await bodyOf(context, Saved);
    await handle.saved(project, collection);
    return Response.json(statusRecord(id, (await handle.status()) ?? status, gateway));
  }
  if (method === 'POST' && action === 'hashes') return hashes(context, user, id, { handle, status, gateway });
  throw new KeepError('not_found', { message: 'there is nothing at this address: see docs/gateways.md' });
}

async function begin(context: RequestContext, user: User, deps: AdoptionDependencies): Promise<Response> {
  const request = await bodyOf(context, Request);
  const { gateway, prefix } = await gatewayOf(context, user, request, deps);
  if (request.hashing === 'client' && !user.isAdmin)
    throw new KeepError('forbidden', {
      message: 'Forbidden: only admins may hash beside the data, because readers have to trust what they say',
    });
  const id = md5Hex(`${gateway.config.uuid}\n${prefix}`);
  const handle = deps.gateways?.adoption(id);
  if (handle === undefined) throw none();
  const { mode, hashing } = request;
  if (mode === 'cancel') {
    const known = await handle.status();
    if (known === null || OVER.includes(known.phase))
      throw new KeepError('not_found', { message: `nothing is under way for ${request.source}` });
    return Response.json(statusRecord(id, await handle.cancel(), gateway));
  }
  const status = await handle.start({ gateway: gateway.config.uuid, prefix, mode, hashing });
  return Response.json(statusRecord(id, status, gateway));
}

/**
 * The gateway that reads a source such as `s3://bucket/prefix`, and the whole prefix. Who may adopt from none of them does
 * not learn which there are.
 */
async function gatewayOf(
  context: RequestContext,
  user: User,
  { source, gateway: named }: { source: string; gateway?: string | undefined },
  deps: AdoptionDependencies,
): Promise<{ gateway: Gateway; prefix: string }> {
  const [, bucket = '', prefix = ''] = /^(?:s3|r2):\/\/([^/]+)(?:\/(.*))?$/s.exec(source) ?? [];
  if (bucket === '') throw new KeepError('invalid_record', { message: 'source is s3://BUCKET or s3://BUCKET/PREFIX' });
  const found: { gateway: Gateway; prefix: string }[] = [];
  const outside: string[] = [];
  for (const gateway of deps.gateways?.gateways ?? []) {
    const { config } = gateway;
    const isNamed = named === undefined || named === config.uuid || named === config.name;
    if (!isNamed || bucketName(config) !== bucket) continue;
    if (!(await mayAdopt(context, user, config.adoptableBy, deps))) continue;
    if (prefix.startsWith(config.prefix)) found.push({ gateway, prefix });
    else if (`${prefix}/` === config.prefix) found.push({ gateway, prefix: config.prefix });
    else outside.push(`s3://${bucket}/${config.prefix}`);
  }
  const [first, other] = found;
  if (first === undefined && outside.length > 0)
    throw new KeepError('forbidden', {
      message: `Forbidden: only what is below ${outside.join(' or ')} can be adopted`,
    });
  if (first === undefined) {
    throw new KeepError('forbidden', {
      message: user.isAdmin
        ? `no gateway reads ${source}: add one to GATEWAYS in wrangler.toml (docs/gateways.md)`
        : `Forbidden: you may not adopt ${source}: ask an admin for a gateway, or for a place in its AdoptableBy groups`,
    });
  }
  if (other !== undefined)
    throw new KeepError('invalid_record', {
      message: `several gateways read ${source}: name one of ${found.map(({ gateway }) => gateway.config.name).join(', ')}`,
    });
  return first;
}

async function opened(context: RequestContext, user: User, id: string, deps: AdoptionDependencies) {
  const missing = () => new KeepError('not_found', { message: 'there is no such adoption' });
  if (!/^[0-9a-f]{32}$/.test(id) || deps.gateways === null) throw missing();
  const handle = deps.gateways.adoption(id);
  const status = await handle.status();
  const gateway = deps.gateways.gateways.find(({ config }) => config.uuid === status?.gateway);
  if (status === null || gateway === undefined) throw missing();
  if (!(await mayAdopt(context, user, gateway.config.adoptableBy, deps))) throw missing();
  return { handle, status, gateway };
}

async function mayAdopt(
  context: RequestContext,
  user: User,
  groups: readonly string[],
  deps: AdoptionDependencies,
): Promise<boolean> {
  return user.isAdmin || (groups.length > 0 && (await deps.memberOf(context, user, groups)) !== null);
}

/** Signed for the caller's token: who may adopt may read. `?hints=0` leaves the gateway's hints out. */
async function manifest(
  context: RequestContext,
  handle: AdoptionHandle,
  { manifestSigning }: AdoptionDependencies,
): Promise<Response> {
  const text = await handle.manifest(context.url.searchParams.get('hints') !== '0');
  const expiry = Math.floor(context.now + manifestSigning.key.ttlSeconds);
  const signed = signManifest(text, context.tokens[0] ?? '', expiry, manifestSigning);
  return new Response(streamOfChunks(jsonChunks({ manifest_text: new TextStream(signed) })), {
    headers: { 'Content-Type': 'application/json' },
  });
}

/** Hashes that the command line has computed beside the data. Admins only: a wrong one would name other bytes. */
async function hashes(
  context: RequestContext,
  user: User,
  id: string,
  { handle, status, gateway }: { handle: AdoptionHandle; status: AdoptionStatus; gateway: Gateway },
): Promise<Response> {
  if (!user.isAdmin) throw new KeepError('forbidden', { message: 'Forbidden: only admins may hash beside the data' });
  const { objects } = await bodyOf(context, Hashed);
  for (const { key, size, hashes } of objects)
    if (hashes.length !== Math.ceil(size / MAX_BLOCK_BYTES))
      throw new KeepError('invalid_record', {
        message: `${key.slice(0, 200)}: one hash for each ${MAX_BLOCK_BYTES} bytes`,
      });
  await handle.hashed(objects);
  return Response.json(statusRecord(id, (await handle.status()) ?? status, gateway));
}

function statusRecord(id: string, status: AdoptionStatus, { config }: Gateway) {
  const { counts, phase, mode, hashing, message, collections, problems, startedAt, finishedAt, prefix } = status;
  return {
    id,
    gateway: config.uuid,
    gateway_name: config.name,
    source: `s3://${bucketName(config)}/${prefix}`,
    mode,
    hashing,
    phase,
    message,
    started_at: new Date(startedAt).toISOString(),
    finished_at: finishedAt === null ? null : new Date(finishedAt).toISOString(),
    counts,
    estimate: estimateOf(counts, config, hashing),
    storage_class: config.storageClass,
    replication: config.replication,
    collections,
    problems,
  };
}

async function bodyOf<Schema extends v.GenericSchema>(
  { request }: RequestContext,
  schema: Schema,
): Promise<v.InferOutput<Schema>> {
  const length = request.headers.get('Content-Length');
  if (length === null) throw new KeepError('length_required');
  if (Number(length) > BODY_BYTES) throw new KeepError('too_large', { message: `send at most ${BODY_BYTES} bytes` });
  const body = v.safeParse(schema, await request.json().catch(() => null));
  if (body.success) return body.output;
  throw new KeepError('invalid_record', {
    message: `${v.getDotPath(body.issues[0]) ?? 'body'}: ${body.issues[0].message}`,
  });
}

function none(): KeepError {
  return new KeepError('not_configured', { message: 'no gateway is configured: docs/gateways.md' });
}
