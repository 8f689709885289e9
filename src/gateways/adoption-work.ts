import { isKeepError, KeepError } from '../keep/errors.ts';
import { MAX_BLOCK_BYTES } from '../keep/limits.ts';
import { redactText } from '../keep/redact.ts';
import { S3Failure } from '../storage/s3-client.ts';
import { digestOfStream } from '../streams/md5-stream.ts';
import type { Gateway } from './adopted-blocks.ts';
import type { Adoption, AdoptionCounts } from './adoption.ts';
import type { AdoptionRows, FinishedObject, PendingObject } from './adoption-rows.ts';
import { scopeOf } from './object-path.ts';
import type { HashedPlace, PlaceMap } from './places.ts';

/** What one alarm may do, so that it ends long before the platform's limits on time, processor and requests. */
export interface Budget {
  /** Unix milliseconds. */
  until: number;
  now: () => number;
  /** Bytes hashed: 64 MiB take about 0.1 s of processor time. */
  bytes: number;
  /** Requests to the bucket and to the map. */
  requests: number;
}

export interface WorkContext {
  rows: AdoptionRows;
  gateway: Gateway;
  map: Pick<PlaceMap, 'add' | 'retire'>;
  budget: Budget;
}

/** Objects of one adoption: its rows are in one database, and its manifest in one collection. */
const MAX_OBJECTS = 5_000_000;
/** Objects taken at once: their places are added to the map together. */
const BATCH = 400;
/** Bodies that are read side by side. */
const LANES = 4;
const POSSIBLE_MD5 = /^[0-9a-f]{32}$/;
/** Requests that adding a batch to the map takes at most: one for each shard. */
const MAP_REQUESTS = 64;

/** Lists the bucket, page by page. What a page brought is recorded with the place where the next one begins. */
export async function listSlice(adoption: Adoption, { rows, gateway, budget }: WorkContext): Promise<Adoption> {
  const scope = scopeOf(adoption.prefix);
  let at = adoption;
  while (budget.requests > 0 && budget.now() < budget.until) {
    const page = await gateway.bucket.list(scope.listed, at.cursor);
    const objects = page.objects.filter(({ key }) => scope.includes(key));
    budget.requests--;
    const isOver = page.next === null;
    const counts = { ...at.counts, lists: at.counts.lists + 1 };
    if (counts.objects + objects.length > MAX_OBJECTS)
      throw new KeepError('invalid_record', {
        message: `more than ${MAX_OBJECTS} objects lie below this prefix: adopt parts of it, each by its own prefix`,
      });
    const next: Adoption = { ...at, counts, cursor: page.next, phase: isOver ? phaseAfterListing(at) : 'listing' };
    rows.save(next, () => {
      const states = rows.list(objects, scope, at.generation);
      for (const [i, object] of objects.entries()) countListed(counts, object, states[i] ?? 'fresh', gateway);
      if (isOver) counts.gone = rows.gone(at.generation, 0).count;
      // Counted inside, so that they are recorded together with the rows.
      next.counts = counts;
    });
    at = next;
    if (isOver) break;
  }
  return at;
}

function phaseAfterListing({ mode }: Adoption): Adoption['phase'] {
  return mode === 'plan' || mode === 'check' ? 'done' : 'hashing';
}

function countListed(
  counts: AdoptionCounts,
  { size, etag }: { size: number; etag: string },
  state: 'unchanged' | 'changed' | 'fresh',
  { config }: Gateway,
): void {
  counts.objects++;
  counts.bytes += size;
  counts[state]++;
  if (state === 'unchanged' || size === 0) return;
  counts.blocks += Math.ceil(size / MAX_BLOCK_BYTES);
  if (mayBeMd5(size, etag, config.etagIsMd5)) {
    counts.askedObjects++;
    return;
  }
  counts.readObjects++;
  counts.readBytes += size;
}

function mayBeMd5(size: number, etag: string, etagIsMd5: boolean): boolean {
  return etagIsMd5 && size <= MAX_BLOCK_BYTES && POSSIBLE_MD5.test(etag);
}

/**
 * Adopts pending objects for as long as the budget lasts; that none is left is the caller's to find. Places are in the map before the
 * object counts as adopted: an end in between is repeated.
 * @throws KeepError unavailable when the bucket or the map cannot be reached; what was done before is recorded
 */
export async function hashSlice(adoption: Adoption, context: WorkContext): Promise<Adoption> {
  const { rows, budget } = context;
  let at = adoption;
  while (budget.now() < budget.until && budget.bytes > 0 && budget.requests > MAP_REQUESTS) {
    const pending = rows.pending(BATCH);
    if (pending.length === 0) break;
    const counts = { ...at.counts };
    const finished: FinishedObject[] = [];
    let failure: unknown = null;
    const waiting = [...pending];
    const lane = async () => {
      for (;;) {
        if (failure !== null || budget.now() >= budget.until || budget.bytes <= 0) return;
        if (budget.requests <= MAP_REQUESTS) return;
        const object = waiting.shift();
        if (object === undefined) return;
        try {
          const hashes = await hashesOfObject(object, context, counts);
          if (hashes !== null) finished.push({ ...object, hashes });
        } catch (error) {
          failure ??= error;
        }
      }
    };
    await Promise.all(Array.from({ length: LANES }, lane));
    budget.requests -= Math.min(MAP_REQUESTS, finished.length);
    await register(context.gateway.config.uuid, finished, context);
    counts.adoptedObjects += finished.length;
    at = { ...at, counts };
    const saved = at;
    rows.save(saved, () => rows.finish(finished));
    if (failure !== null) throw failure;
  }
  return at;
}

/** Brings what was hashed into the map. Safe to repeat. */
export async function register(
  gateway: string,
  objects: FinishedObject[],
  { rows, map }: Pick<WorkContext, 'rows' | 'map'>,
): Promise<void> {
  await map.add(objects.flatMap((object) => placesOf(gateway, object)));
  const earlier = rows.earlier(objects).flatMap((object) => placesOf(gateway, object));
  if (earlier.length > 0) await map.retire(earlier, 'the object was overwritten, and adopted again as it is now');
}

/** Forgets objects that are no longer in the bucket, for as long as the budget lasts. @returns whether none is left */
export async function forgetSlice(
  { gateway, generation }: Adoption,
  { rows, map, budget }: Pick<WorkContext, 'rows' | 'map' | 'budget'>,
): Promise<boolean> {
  for (let after = ''; budget.requests > MAP_REQUESTS && budget.now() < budget.until; ) {
    const gone = rows.unseen(generation, after, BATCH);
    await map.retire(
      gone.flatMap((object) => placesOf(gateway, object)),
      'the object was deleted',
    );
    rows.forget(gone);
    budget.requests -= Math.min(MAP_REQUESTS, gone.length);
    if (gone.length < BATCH) return true;
    after = gone.at(-1)?.key ?? after;
  }
  return false;
}

/** The hashes of an object's blocks; null when it is not through yet, or cannot be adopted. */
async function hashesOfObject(
  object: PendingObject,
  { rows, gateway, budget }: WorkContext,
  counts: AdoptionCounts,
): Promise<string[] | null> {
  const { key, size, etag } = object;
  const fail = (problem: string) => {
    rows.fail(key, problem);
    counts.failedObjects++;
    return null;
  };
  const obstacle = gateway.bucket.obstacle(key);
  if (obstacle !== null) return fail(obstacle);
  if (mayBeMd5(size, etag, gateway.config.etagIsMd5)) {
    counts.heads++;
    budget.requests--;
    const facts = await gateway.bucket.stat(key).catch(refusalOf);
    if (facts === null) return fail('it was deleted while it was adopted');
    if ('refused' in facts) return fail(facts.refused);
    if (facts.etag !== etag || facts.size !== size) return fail('it was overwritten while it was adopted');
    if (facts.md5 === etag) {
      counts.attestedObjects++;
      return [etag];
    }
  }
  const hashes = [...object.partial];
  for (let start = hashes.length * MAX_BLOCK_BYTES; start < size; start = hashes.length * MAX_BLOCK_BYTES) {
    if (budget.bytes <= 0 || budget.requests <= MAP_REQUESTS || budget.now() >= budget.until) return null;
    const length = Math.min(MAX_BLOCK_BYTES, size - start);
    counts.gets++;
    budget.requests--;
    const opened = await gateway.bucket.open(key, { etag, offset: start, length, size });
    if (opened.state === 'gone') return fail('it was deleted while it was adopted');
    if (opened.state === 'changed') return fail('it was overwritten while it was adopted');
    if (opened.state === 'refused') return fail(`the bucket refuses to hand it out: ${opened.reason}`);
    hashes.push(await md5OfExactly(opened.body, length));
    budget.bytes -= length;
    counts.hashedBytes += length;
    if (hashes.length * MAX_BLOCK_BYTES < size) rows.keepPartial(object, hashes);
  }
  return hashes;
}

/** A HEAD that is refused has no document that says why. */
function refusalOf(error: unknown): { refused: string } {
  const cause = isKeepError(error, 'unavailable') ? error.cause : null;
  const status = cause instanceof Error && 'status' in cause ? Number(cause.status) : 0;
  if (status !== 403) throw error;
  return { refused: 'the bucket refuses to hand it out: 403' };
}

/** One that ends early would be hashed like a whole one. */
async function md5OfExactly(body: ReadableStream<Uint8Array>, length: number): Promise<string> {
  const broken = (cause?: unknown) =>
    new KeepError('unavailable', { message: 'the bucket broke off in the middle of an object', cause });
  const { hash, bytes } = await digestOfStream(body).catch((error: unknown) => Promise.reject(broken(error)));
  if (bytes !== length) throw broken();
  return hash;
}

export function placesOf(gateway: string, { key, size, etag, hashes }: FinishedObject): HashedPlace[] {
  return hashes.map((hash, i) => {
    const start = i * MAX_BLOCK_BYTES;
    return { hash, gateway, key, start, length: Math.min(MAX_BLOCK_BYTES, size - start), etag, objectSize: size };
  });
}

/** Refused by the bucket's server: the next try would end so as well. Null for what may pass. */
function refusalIn(error: unknown): S3Failure | null {
  const cause = isKeepError(error) ? error.cause : null;
  if (!(cause instanceof S3Failure) || cause.status >= 500) return null;
  return cause.status === 408 || cause.status === 429 ? null : cause;
}

/** Whether to try again is of no use. */
export function isLasting(error: unknown): boolean {
  return isKeepError(error) && (error.code !== 'unavailable' || refusalIn(error) !== null);
}

/** As those who may adopt read it. */
export function problemText(error: unknown): string {
  const refusal = refusalIn(error);
  if (refusal !== null) return `the bucket cannot be read: ${refusal.message}. ${adviceFor(refusal)}`;
  const cause = isKeepError(error, 'unavailable') && error.cause instanceof Error ? `: ${error.cause.message}` : '';
  return redactText(`${error instanceof Error ? error.message : String(error)}${cause}`);
}

function adviceFor({ status, s3Code }: S3Failure): string {
  if (status === 404) return 'Check Bucket and Endpoint of the gateway: there is no such bucket';
  if (status === 403)
    return "Check the gateway's secrets and the bucket's policy: it has to allow s3:ListBucket and s3:GetObject";
  if (status < 400 || s3Code === 'AuthorizationHeaderMalformed') return 'Check Region and Endpoint of the gateway';
  return 'Check DriverParameters of the gateway';
}
