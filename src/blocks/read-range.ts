import { EMPTY_HASH } from '../keep/limits.ts';
import { formatLocator, keepHints, type Locator, remoteHint } from '../keep/locator.ts';
import { type SigningKey, signLocator } from '../keep/signature.ts';
import type { Caller } from '../services/federation.ts';
import type { ByteRange } from '../streams/byte-range.ts';
import type { Pipeable } from '../streams/part.ts';
import { pipePieces } from '../streams/pipe-chunks.ts';
import { sliceChecked } from '../streams/slice-chunks.ts';
import { type BlockRead, type BlockSource, readBlockRange } from './read-block.ts';
import { type FarSource, readHintedBlock, readHomeBlock, readRemoteBlock } from './remote-block.ts';

/** Where stretches of blocks are read from. */
export interface StretchSource {
  blocks: BlockSource;
  far: FarSource;
  signing: SigningKey;
}

/** A block of a collection. */
export interface SizedLocator extends Locator {
  size: number;
}

/**
 * A stretch of a block that the caller may read because it is part of a collection: from the edge cache, from where a
 * +R or +K@ hint points, from local mounts, or, without any, from the cluster's Keep services. It is opened natively
 * where the store vouches for the block.
 *
 * @param range lies inside the block
 * @throws KeepError as readBlock and readRemoteBlock
 */
export async function readStretch(
  source: StretchSource,
  locator: SizedLocator,
  range: ByteRange,
  caller: Caller,
): Promise<Pipeable> {
  const { blocks, far, signing } = source;
  const { hash, size } = locator;
  const { signal } = caller;
  const isFar = remoteHint(locator) !== null || keepHints(locator).length > 0 || blocks.mounts.length === 0;
  if (hash === EMPTY_HASH || !isFar) return native(await readBlockRange(blocks, hash, range, { size, signal }));
  const cached = await blocks.cache.match(hash, { size, range });
  if (cached !== null) return native(cached);
  if (remoteHint(locator) !== null) return cut(await readRemoteBlock(far, locator, caller), range, size);
  // A service of this cluster wants to see a signature of this cluster.
  const signed = signedFor(locator, caller, signing);
  const hinted = await readHintedBlock(far, signed, caller, () => undefined);
  if (hinted !== null) return cut(hinted, range, size);
  if (blocks.mounts.length > 0) return native(await readBlockRange(blocks, hash, range, { size, signal }));
  return cut(await readHomeBlock(far, signed, caller), range, size);
}

function signedFor(locator: SizedLocator, { token, now }: Caller, signing: SigningKey): SizedLocator {
  const expiry = Math.floor(now) + signing.ttlSeconds;
  const [, , ...hints] = signLocator(formatLocator(locator), token, expiry, signing).split('+');
  return { ...locator, hints };
}

function native({ body, done }: { body: ReadableStream<Uint8Array>; done?: Promise<void> }): Pipeable {
  return done === undefined ? body : pipePieces(body);
}

/** Bodies from afar are whole blocks, checked as they end. */
function cut({ body }: BlockRead, range: ByteRange, size: number): Pipeable {
  const isWhole = range.offset === 0 && range.length === size;
  return isWhole ? pipePieces(body) : sliceChecked(body, range);
}
