import { isKeepError } from '../keep/errors.ts';
import { parseLocator, stripSignature } from '../keep/locator.ts';
import { readTrashList, type TrashItem } from '../keep/work-lists.ts';
import type { Mount } from '../storage/mounts.ts';
import { done, failed, type Outcome, skipped } from './outcome.ts';
import { MAX_CONNECTIONS, STORE_REQUESTS_PER_ALARM } from './platform-limits.ts';
import type { Work } from './work-queue.ts';

/** Store requests that trashing one block on one mount makes at most. */
const REQUESTS_PER_MOUNT = 9;

/** Trash lists. A concurrency of 0 keeps the list and trashes nothing. */
export function trashWork(context: TrashContext, concurrency: number): Work<TrashItem> {
  const requests = REQUESTS_PER_MOUNT * Math.max(1, context.mounts.length);
  return {
    kind: 'trash',
    read: readTrashList,
    // A time in nanoseconds is more than a JSON number can hold.
    encode: ({ blockMtime, ...item }) => JSON.stringify({ ...item, blockMtime: String(blockMtime) }),
    decode(text) {
      const { blockMtime, ...item } = JSON.parse(text) as Omit<TrashItem, 'blockMtime'> & { blockMtime: string };
      return { ...item, blockMtime: BigInt(blockMtime) };
    },
    locatorOf: ({ locator }) => stripSignature(locator),
    concurrency: Math.min(concurrency, MAX_CONNECTIONS),
    entriesPerAlarm: Math.max(1, Math.floor(STORE_REQUESTS_PER_ALARM / requests)),
    run: (item) => trashEntry(item, context),
  };
}

export interface TrashContext {
  mounts: Mount[];
  /** Seconds during which a block that was written or touched must not go. */
  ttlSeconds: number;
  /** Unix milliseconds now. */
  clock: () => number;
}

const NS_PER_SECOND = 1_000_000_000n;
const NS_PER_MS = 1_000_000n;

/**
 * Trashes a block if its time is exactly the listed one and older than the signature TTL. The volume reads the time
 * now: a block touched since the list was made is left alone.
 */
export async function trashEntry(
  { locator, blockMtime, mountUuid }: TrashItem,
  context: TrashContext,
): Promise<Outcome> {
  const { mounts, ttlSeconds, clock } = context;
  const hash = hashOf(locator);
  if (hash === null) return failed('invalid_locator', 'not a block locator');
  const ageNs = BigInt(clock()) * NS_PER_MS - blockMtime;
  if (ageNs < BigInt(ttlSeconds) * NS_PER_SECOND) return skipped('too_young');
  const targets = mounts.filter(({ uuid, allowTrash }) => (mountUuid === '' ? allowTrash : uuid === mountUuid));
  if (mountUuid !== '' && targets.length === 0) return failed('unknown_mount', `no mount ${mountUuid} here`);
  if (targets.some(({ allowTrash }) => !allowTrash)) return failed('not_allowed', `${mountUuid} does not allow trash`);
  const outcomes: Outcome[] = [];
  for (const mount of targets) outcomes.push(await trashOn(mount, hash, blockMtime));
  // The outcome reported for several mounts: a failure, else a success.
  const worth = ['failed', 'done', 'skipped'];
  outcomes.sort((a, b) => worth.indexOf(a.result) - worth.indexOf(b.result));
  return outcomes[0] ?? failed('not_allowed', 'no mount allows trash');
}

async function trashOn({ uuid, volume }: Mount, hash: string, listed: bigint): Promise<Outcome> {
  try {
    // Times of blocks here are whole seconds: a listed time that is not cannot match.
    if (listed % NS_PER_SECOND !== 0n) return skipped('touched');
    const outcome = await volume.trash(hash, Number(listed / NS_PER_SECOND));
    return outcome === 'trashed' ? done('trashed') : skipped('touched');
  } catch (error) {
    if (isKeepError(error, 'not_found')) return skipped('absent');
    return failed('store', `${uuid}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function hashOf(locator: string): string | null {
  try {
    return parseLocator(locator).hash;
  } catch {
    return null;
  }
}
