import { isKeepError, KeepError } from '../keep/errors.ts';
import { EMPTY_HASH } from '../keep/limits.ts';
import { formatLocator, keepHints, type Locator, parseLocator, toRemoteLocator } from '../keep/locator.ts';
import type { Caller, Federation, Remote } from '../services/federation.ts';
import { ServicesError } from '../services/services-error.ts';
import type { Mount } from '../storage/mounts.ts';
import type { ByteRange } from '../streams/byte-range.ts';
import type { BlockFound, BlockRead } from './block-source.ts';
import type { BlockCache, CachedBlock } from './edge-cache.ts';

import { receiveBody } from './receive-body.ts';
import { writeBlock } from './write-block.ts';

/** Dependencies of reads of blocks that are stored elsewhere. */
export interface RemoteSource {
  federation: Federation;
  cache: BlockCache;
  mounts: Mount[];
}

const CLUSTER_ID_LENGTH = 5;

/**
 * A block that a +R hint places in another cluster (docs/protocol/blocks.md#remote-blocks): its body, hashed as it
 * streams through.
 * The other cluster checks the caller's permission; while a signature that it accepted is valid, the edge cache may
 * answer instead.
 *
 * @throws KeepError no_token, invalid_remote_hint, unknown_remote, obsolete_token, bad_request; bad_gateway when its
 *   services cannot be listed; not_found for any other failure there, as keepstore does
 */
export async function readRemoteBlock(source: RemoteSource, locator: Locator, caller: Caller): Promise<BlockRead> {
  const { remote, clusterId, text } = remoteOf(source, locator, caller);
  try {
    if (locator.hash === EMPTY_HASH) await vouchForEmpty(remote, text, caller);
    return await read(source, remote, text, locator, clusterId, caller);
  } catch (error) {
    return rethrow(error, clusterId);
  }
}

/**
 * A range of a +R block from the edge cache; null when it is not there, or when the other cluster has not accepted the
 * signature for this caller.
 * @throws KeepError as readRemoteBlock
 */
export async function cachedRemoteRange(
  source: RemoteSource,
  locator: Locator,
  range: ByteRange,
  caller: Caller,
): Promise<CachedBlock | null> {
  const { remote, text } = remoteOf(source, locator, caller);
  if (!(await source.federation.proofs.has(remote.token, text))) return null;
  return source.cache.match(locator.hash, { size: locator.size, range });
}

/**
 * The empty block needs no bytes, but a right signature. A service that does not have it stored is as good as one that
 * has.
 * @throws KeepError not_found for another size; ServicesError when the signature is refused
 */
async function vouchForEmpty({ client }: Remote, text: string, { signal }: Caller): Promise<void> {
  if ((parseLocator(text).size ?? 0) !== 0)
    throw new KeepError('not_found', { message: 'the empty block has no bytes' });
  await client.head(text, { signal, evenIfEmpty: true }).catch((error: unknown) => {
    const isUnstored = error instanceof ServicesError && error.answers.length > 0;
    if (!isUnstored || !error.answers.every(({ status }) => status === 404)) throw error;
  });
}

/** HEAD of a +R locator. @throws KeepError as readRemoteBlock */
export async function vouchForRemoteBlock(source: RemoteSource, locator: Locator, caller: Caller): Promise<BlockFound> {
  const { remote, clusterId, text } = remoteOf(source, locator, caller);
  try {
    if (locator.hash === EMPTY_HASH) await vouchForEmpty(remote, text, caller);
    const { size } = await remote.client.head(text, caller);
    await source.federation.proofs.add(remote.token, text);
    return { size: size ?? 0, from: clusterId, vouched: 'hashed' };
  } catch (error) {
    return rethrow(error, clusterId);
  }
}

/**
 * Copies a +R block into this cluster's mounts, straight from the other cluster's service into the stores, which check
 * it. Resolves once it is stored: only then may it be signed here.
 *
 * @returns bytes of the block
 * @throws KeepError as readRemoteBlock; full, unavailable when it could not be stored
 */
export async function copyRemoteBlock(source: RemoteSource, locator: Locator, caller: Caller): Promise<number> {
  const { remote, clusterId, text } = remoteOf(source, locator, caller);
  const { hash } = locator;
  if (hash === EMPTY_HASH) {
    await vouchForEmpty(remote, text, caller).catch((error) => rethrow(error, clusterId));
    return 0;
  }
  const { signal } = caller;
  const store = (body: ReadableStream<Uint8Array>, size: number) =>
    receiveBody(body, size, async (sized) => {
      await writeBlock(source.mounts, { hash, size, body: sized, desired: 1, storageClasses: [], signal });
      return size;
    }).then((stored) => {
      // Wrong bytes are that service's failure: the next may have the block. Anything else is a failure here.
      if ('failed' in stored && isKeepError(stored.failed, 'body_mismatch')) throw stored.failed;
      return stored;
    });
  const stored = await remote.client.transfer(text, store, caller).catch((error) => rethrow(error, clusterId));
  if ('failed' in stored) throw stored.failed;
  await source.federation.proofs.add(remote.token, text);
  return stored.received;
}

/**
 * A block from where its +K@ hints point, in their order; null when none delivers: the mounts are next.
 * @param permit the local permission check, made before a service of this cluster is asked. A remote cluster makes its own.
 */
export function readHintedBlock(
  source: RemoteSource,
  locator: Locator,
  caller: Caller,
  permit: () => void,
): Promise<BlockRead | null> {
  return followHints(source, locator, caller, permit, async (remote, hint, isPermitted) => {
    const cached = isPermitted ? await source.cache.match(locator.hash, { size: locator.size }) : null;
    if (cached !== null) return { ...cached, from: 'cache', vouched: 'attested' };
    return read(source, remote, formatLocator(locator), locator, hint, caller);
  });
}

/** HEAD of a locator with +K@ hints. Null and `permit` as for readHintedBlock. */
export function vouchForHintedBlock(
  source: RemoteSource,
  locator: Locator,
  caller: Caller,
  permit: () => void,
): Promise<BlockFound | null> {
  return followHints(source, locator, caller, permit, async ({ client }, hint) => {
    const { size } = await client.head(formatLocator(locator), caller);
    return { size: size ?? 0, from: hint, vouched: 'hashed' };
  });
}

/**
 * A block from this cluster's Keep services, for a service that has no mounts of its own.
 * @param locator signed for the caller
 * @throws KeepError no_token; ServicesError
 */
export function readHomeBlock(source: RemoteSource, locator: Locator, caller: Caller): Promise<BlockRead> {
  return read(source, source.federation.home(caller), formatLocator(locator), locator, 'services', caller);
}

async function followHints<Result>(
  { federation }: RemoteSource,
  locator: Locator,
  caller: Caller,
  permit: () => void,
  ask: (remote: Remote, hint: string, isPermitted: boolean) => Promise<Result>,
): Promise<Result | null> {
  for (const hint of keepHints(locator)) {
    const isCluster = hint.length === CLUSTER_ID_LENGTH;
    const remote = isCluster ? federation.hintedCluster(hint, caller) : await federation.hintedService(hint, caller);
    if (remote === null) continue;
    if (!isCluster) permit();
    try {
      return await ask(remote, hint, !isCluster);
    } catch (error) {
      caller.signal.throwIfAborted();
      if (!(error instanceof ServicesError)) throw error;
    }
  }
  return null;
}

/** One block through a remote client, or from the edge cache if that client's token has been accepted for it before. */
async function read(
  { federation: { proofs }, cache }: RemoteSource,
  { client, token }: Remote,
  text: string,
  { hash, size }: Locator,
  from: string,
  { signal }: Caller,
): Promise<BlockRead> {
  const cached = (await proofs.has(token, text)) ? await cache.match(hash, { size }) : null;
  if (cached !== null) return { ...cached, from: 'cache', vouched: 'attested' };
  const { body, done, size: found } = await client.get(text, { signal });
  await proofs.add(token, text);
  return { body, ...(done === undefined ? {} : { done }), size: found ?? size ?? 0, from, vouched: 'hashed' };
}

function remoteOf({ federation }: RemoteSource, locator: Locator, caller: Caller) {
  if (caller.token === '') throw new KeepError('no_token');
  const there = toRemoteLocator(locator);
  const remote = federation.cluster(there.clusterId, caller);
  return { remote, clusterId: there.clusterId, text: formatLocator(there.locator) };
}

/** Failures at another cluster's services are 404 here, as in keepstore. Addresses of services are not shown. */
function rethrow(error: unknown, clusterId: string): never {
  if (!(error instanceof ServicesError)) {
    if (!isKeepError(error, 'bad_gateway')) throw error;
    throw new KeepError('bad_gateway', { message: `cluster ${clusterId} does not answer`, cause: error });
  }
  const said = error.answers.map(({ status, reason }) => [status, reason].filter(Boolean).join(' '));
  const summary = said.length === 0 ? 'it names no Keep services' : said.join('; ');
  throw new KeepError('not_found', {
    message: `cluster ${clusterId} did not deliver the block: ${summary}`,
    cause: error,
  });
}
