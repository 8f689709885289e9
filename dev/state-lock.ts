import { chmodSync, mkdirSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

const LOCK = 'lock';
const SQLITE_BUSY = 5;

/**
 * Makes the state directory, for its user alone, and takes it for this process until that ends.
 *
 * The lock is the kernel's, on a SQLite file: it ends with the process however that ends, and holds between containers
 * on one machine. A process id in a file would do neither: after a reboot it belongs to another program, in two
 * containers both are process 1, and a process that is dead but not yet reaped still counts as alive.
 * @returns false when another process has it
 */
export function takeState(directory: string): boolean {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const names = readdirSync(directory);
  const isOurs = names.length === 0 || names.includes(LOCK) || names.includes('admin-token');
  if (isOurs) chmodSync(directory, 0o700);
  else if ((statSync(directory).mode & 0o077) !== 0)
    console.error(`Other users of this machine may read ${directory}: chmod 700 ${directory}`);
  const lock = new DatabaseSync(join(directory, LOCK), { timeout: 0 });
  try {
    lock.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
  } catch (error) {
    lock.close();
    if ((error as { errcode?: number }).errcode === SQLITE_BUSY) return false;
    throw error;
  }
  // A connection that nothing refers to would be collected, and the lock with it.
  held.push(lock);
  return true;
}

const held: DatabaseSync[] = [];
