import { isKeepError } from '../keep/errors.ts';
import { EMPTY_HASH } from '../keep/limits.ts';
import { formatLocator, keepHints, type Locator, remoteHint } from '../keep/locator.ts';
import { type SigningKey, signLocator } from '../keep/signature.ts';
import type { Caller } from '../services/federation.ts';
import type { ByteRange } from '../streams/byte-range.ts';
import type { Pipeable } from '../streams/part.ts';
import { movedBy, pipeChunks } from '../streams/pipe-chunks.ts';
import type { BlockRead, BlockSource } from './block-source.ts';
import { readBlockRange } from './read-block.ts';
import {
  cachedRemoteRange,
  type RemoteSource,
  readHintedBlock,
  readHomeBlock,
  readRemoteBlock,
} from './remote-block.ts';

/** Where ranges of blocks are read from. */
export interface RangeSource {
  blocks: BlockSource;
  remote: RemoteSource;
  signing: SigningKey;
}

/** A block of a collection. */
export interface SizedLocator extends Locator {
  size: number;
}

/**
 * A range of a block that the caller may read because it is part of a collection: from the edge cache, from where a
 * +R or +K@ hint points, from local mounts and gateways, or, without mounts, from gateways and the cluster's Keep
 * services. Hints of this service's own gateways mean nothing here: their blocks are looked up by hash. It is opened
 * natively where the store vouches for the block.
 *
 * @param range lies inside the block
 * @throws KeepError as readBlock and readRemoteBlock
 */
export async function readRange(
  source: RangeSource,
  locator: SizedLocator,
  range: ByteRange,
  caller: Caller,
): Promise<Pipeable> {
  const { blocks, remote, signing } = source;
  const { hash, size } = locator;
  const { signal } = caller;
  const isHinted = keepHints(locator).some((hint) => !remote.federation.isOwnService(hint));
  const isRemote = remoteHint(locator) !== null || isHinted || blocks.mounts.length === 0;
  if (hash === EMPTY_HASH || !isRemote) return native(await readBlockRange(blocks, hash, range, { size, signal }));
  if (remoteHint(locator) !== null) {
    // As for block reads: a collection may name any block of another cluster, and any signature.
    const proven = await cachedRemoteRange(remote, locator, range, caller);
    return proven === null ? cut(await readRemoteBlock(remote, locator, caller), range, size) : native(proven);
  }
  const cached = await blocks.cache.match(hash, { size, range });
  if (cached !== null) return native(cached);
  // A service of this cluster requires a signature of this cluster.
  const signed = signedFor(locator, caller, signing);
  const hinted = await readHintedBlock(remote, signed, caller, () => undefined);
  if (hinted !== null) return cut(hinted, range, size);
  if (blocks.mounts.length > 0) return native(await readBlockRange(blocks, hash, range, { size, signal }));
  const home = async () => cut(await readHomeBlock(remote, signed, caller), range, size);
  if (blocks.last === undefined || blocks.last.length === 0) return home();
  return adoptedOr(async () => native(await readBlockRange(blocks, hash, range, { size, signal })), home);
}

/**
 * Beside keepstores: a block from the bucket of a gateway here, else from them. They may have a copy of what has changed in the
 * bucket; without one the gateway's error tells more.
 */
export async function adoptedOr<Result>(adopted: () => Promise<Result>, home: () => Promise<Result>): Promise<Result> {
  let failure: unknown;
  try {
    return await adopted();
  } catch (error) {
    if (!isKeepError(error) || error.code === 'client_gone') throw error;
    failure = error;
  }
  return home().catch((error: unknown) => {
    throw isKeepError(failure, 'not_found') ? error : failure;
  });
}

function signedFor(locator: SizedLocator, { token, now }: Caller, signing: SigningKey): SizedLocator {
  const expiry = Math.floor(now) + signing.ttlSeconds;
  const [, , ...hints] = signLocator(formatLocator(locator), token, expiry, signing).split('+');
  return { ...locator, hints };
}

function native({ body, done }: { body: ReadableStream<Uint8Array>; done?: Promise<void> }): Pipeable {
  return done === undefined ? body : pipeChunks(body);
}

/** Bodies of remote services are whole blocks, verified as they end. */
function cut({ body }: BlockRead, range: ByteRange, size: number): Pipeable {
  const isWhole = range.offset === 0 && range.length === size;
  return isWhole ? pipeChunks(body) : sliceChecked(body, range);
}

/**
 * A range of a body that is checked only as it ends: the body is read to its end, and the last bytes of the range
 * are held back until it has ended well. So a range of a bad block can break off, but not complete.
 */
export function sliceChecked(body: ReadableStream<Uint8Array>, { offset, length }: ByteRange): Pipeable {
  return movedBy(body, async (next, writer) => {
    let held: Uint8Array | null = null;
    let spent: Uint8Array | undefined;
    let position = 0;
    for (let chunk = await next(); chunk !== null; chunk = await next(spent)) {
      const from = Math.max(offset - position, 0);
      const until = Math.min(offset + length - position, chunk.byteLength);
      position += chunk.byteLength;
      spent = chunk;
      if (until <= from) continue;
      if (held !== null) await writer.write(held);
      const isLast = position >= offset + length;
      // The last one is held until the rest is read: a copy, because the chunk's memory is reused.
      held = isLast ? chunk.slice(from, until) : chunk.subarray(from, until);
      if (!isLast) spent = undefined;
    }
    if (held !== null) await writer.write(held);
  });
}
