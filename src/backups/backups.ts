import { KeepError } from '../keep/errors.ts';
import type { Row } from '../records/columns.ts';
import type { Watch } from '../records/watched-database.ts';
import { ACCOUNT_CHANGES, concernsAccounts, flushAccounts } from './account-log.ts';
import { type RestoreState, readState } from './backup-state.ts';
import { backUpEarlierCollections } from './earlier-collections.ts';
import { concernsFiles, type FileFlushContext, flushFiles, pendingFiles } from './file-log.ts';
import { restoreStep } from './restore.ts';
import { restoreCollection } from './restore-one.ts';
import { keepSnapshots, newestSnapshot, snapshotSlice } from './snapshot.ts';

export interface BackupStatus {
  /** The last snapshot of accounts; null before the first. */
  snapshot: { at: string; rows: number } | null;
  /** Objects with changes since, a thousand at most. */
  changes: number;
  /** Changes that are not in the bucket yet. */
  pending: number;
  /** Whether a restore is under way. */
  restoring: boolean;
  /** Whether collections from before there were backups have one. */
  collectionsComplete: boolean;
}

export interface Backups {
  status(): Promise<BackupStatus>;
  /** Writes some of a snapshot. @returns whether there is more */
  snapshot(): Promise<boolean>;
  restore(): Promise<RestoreState>;
  restoreCollection(uuid: string): Promise<{ name: unknown }>;
  /** The cron's part. */
  keepUp(): Promise<void>;
}

/** What writes to the bucket before a change is acknowledged: for the database that everything else uses. */
export function backupWatches(context: FileFlushContext): Watch[] {
  const acknowledged = (flush: (context: FileFlushContext, rows?: Row[]) => Promise<void>) => (rows?: Row[]) =>
    flush(context, rows).catch((cause: unknown) => {
      throw new KeepError('unavailable', {
        message: 'the change was made, but its backup could not be written: try again',
        cause,
      });
    });
  return [
    { concerns: concernsAccounts, after: acknowledged((accounts) => flushAccounts(accounts)) },
    { concerns: concernsFiles, first: () => pendingFiles(context.db), after: acknowledged(flushFiles) },
  ];
}

/** @param restored called when a database is whole again */
export function createBackups(context: FileFlushContext, restored: () => Promise<unknown>): Backups {
  const { db, manifests } = context;
  return {
    async status() {
      const [snapshot, changes, pending, restoring, earlier] = await Promise.all([
        newestSnapshot(manifests),
        manifests.list({ prefix: ACCOUNT_CHANGES }),
        db
          .prepare('SELECT (SELECT count(*) FROM account_changes) + (SELECT count(*) FROM file_changes) AS count')
          .first<{ count: number }>(),
        readState(db, 'restore'),
        readState<{ done: boolean }>(db, 'earlier collections'),
      ]);
      return {
        snapshot: snapshot === null ? null : { at: snapshot.at, rows: snapshot.rows },
        changes: changes.objects.length,
        pending: pending?.count ?? 0,
        restoring: restoring !== null,
        collectionsComplete: earlier?.done === true,
      };
    },
    snapshot: () => snapshotSlice(context),
    async restore() {
      const state = await restoreStep(context);
      if (state.phase === 'done') await restored();
      return state;
    },
    restoreCollection: (uuid) => restoreCollection(uuid, context),
    async keepUp() {
      if ((await readState(db, 'restore')) !== null) return;
      await flushFiles(context);
      await keepSnapshots(context, Date.now());
      await backUpEarlierCollections(context, Date.now());
    },
  };
}
