import { KeepError } from '../keep/errors.ts';
import { mountOrder } from '../keep/rendezvous.ts';
import type { Mount } from '../storage/mounts.ts';
import { md5OfStream } from '../streams/md5-stream.ts';
import { done, failed, type Outcome, skipped } from './outcome.ts';
import { MAX_CONNECTIONS, STORE_REQUESTS_PER_ALARM } from './platform-limits.ts';
import type { Work } from './work-queue.ts';

/** A copy that a reader has found to be bad. */
export interface RepairItem {
  hash: string;
  mountUuid: string;
}

/** Store requests for one entry at most, with two mounts. */
const REQUESTS_PER_ENTRY = 8;
const CONCURRENCY = 2;

/** Copies that are bad while another is good. Entries come from reads, one by one. */
export function repairWork(mounts: Mount[]): Work<RepairItem> {
  return {
    kind: 'repair',
    read: () => {
      throw new KeepError('invalid_list', { message: 'repairs come from reads only' });
    },
    encode: (item) => JSON.stringify(item),
    decode: (text) => JSON.parse(text) as RepairItem,
    locatorOf: ({ hash }) => hash,
    concurrency: Math.min(CONCURRENCY, MAX_CONNECTIONS),
    entriesPerAlarm: Math.floor(STORE_REQUESTS_PER_ALARM / (REQUESTS_PER_ENTRY * Math.max(1, mounts.length))),
    run: (item) => repairEntry(item, mounts),
  };
}

/**
 * Looks at a copy again, whatever its store says of it, and replaces it by the first good one of another mount. The
 * store refuses a body that is not the block, so a bad copy is never put in the place of anything.
 */
export async function repairEntry({ hash, mountUuid }: RepairItem, mounts: Mount[]): Promise<Outcome> {
  const mount = mounts.find(({ uuid }) => uuid === mountUuid);
  if (mount === undefined) return failed('unknown_mount', `no mount ${mountUuid} here`);
  if (!mount.allowWrite) return failed('read_only', `${mountUuid} is read-only`);
  const copy = await mount.volume.read(hash);
  if (copy === null) return skipped('absent');
  if ((await md5OfStream(copy.body)) === hash) return skipped('good');
  const problems: string[] = [];
  const others = mountOrder(hash, mounts).filter((other) => other !== mount);
  for (const other of others) {
    try {
      const good = await other.volume.read(hash);
      if (good === null) continue;
      await mount.volume.write(hash, good.body, { size: good.size, replace: true });
      return done('repaired');
    } catch (error) {
      problems.push(`${other.uuid}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  return failed('no_good_copy', problems.join('; ') || 'no other mount has the block');
}
