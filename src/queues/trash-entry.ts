import { isKeepError } from '../keep/errors.ts';
import { parseLocator } from '../keep/locator.ts';
import type { TrashItem } from '../keep/work-lists.ts';
import type { Mount } from '../storage/mounts.ts';
import { done, failed, type Outcome, skipped } from './outcome.ts';

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
 * Trashes a block where it is still the one that the list's maker saw (keep-block-api.md 4.2): its time is exactly the
 * listed one, and older than the signature TTL. The volume reads its time at this very moment: a block touched since the
 * list was made is left alone.
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
  // What is worth knowing of several mounts: a failure, else a success.
  const worth = ['failed', 'done', 'skipped'];
  outcomes.sort((a, b) => worth.indexOf(a.result) - worth.indexOf(b.result));
  return outcomes[0] ?? failed('not_allowed', 'no mount allows trash');
}

async function trashOn({ uuid, volume }: Mount, hash: string, listed: bigint): Promise<Outcome> {
  try {
    // Our times are whole seconds: a listed one that is not was never ours.
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
