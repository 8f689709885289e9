import { isKeepError, KeepError } from '../keep/errors.ts';
import type { Mount } from '../storage/mounts.ts';

/** Sets the mtime on the first mount, in UUID order, that has the block, as keepstore does. @throws KeepError `not_found`, or the last mount's error */
export async function touchBlock(mounts: Mount[], hash: string): Promise<void> {
  let failure: unknown = new KeepError('not_found');
  for (const mount of mounts.filter(({ allowWrite }) => allowWrite)) {
    try {
      await mount.volume.touch(hash);
      return;
    } catch (error) {
      if (!isKeepError(error, 'not_found')) failure = error;
    }
  }
  throw failure;
}

/**
 * Trashes the block on every mount that allows it. A block younger than the signature TTL stays and counts as success
 * (as in keepstore); a real error is reported even when another mount succeeded.
 */
export async function trashBlock(mounts: Mount[], hash: string): Promise<void> {
  await onEach(
    mounts.filter(({ allowTrash }) => allowTrash),
    (mount) => mount.volume.trash(hash),
    'first error',
  );
}

/** Brings the block back from trash on every writable mount that has it there; one success is enough. */
export async function untrashBlock(mounts: Mount[], hash: string): Promise<void> {
  await onEach(
    mounts.filter(({ allowWrite }) => allowWrite),
    (mount) => mount.volume.untrash(hash),
    'any success',
  );
}

async function onEach(
  mounts: Mount[],
  act: (mount: Mount) => Promise<unknown>,
  rule: 'first error' | 'any success',
): Promise<void> {
  const failures: unknown[] = [];
  let succeeded = 0;
  for (const mount of mounts) {
    try {
      await act(mount);
      succeeded++;
    } catch (error) {
      if (!isKeepError(error, 'not_found')) failures.push(error);
    }
  }
  if (failures.length > 0 && (rule === 'first error' || succeeded === 0))
    throw rule === 'first error' ? failures[0] : failures.at(-1);
  if (succeeded === 0) throw new KeepError('not_found');
}
