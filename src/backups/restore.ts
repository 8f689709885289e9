import { KeepError } from '../keep/errors.ts';
import { ACCOUNT_TABLES, type FlushContext } from './account-log.ts';
import { type RestoreState, readState, withLease, writeState } from './backup-state.ts';
import { planAccounts, restoreAccounts } from './restore-accounts.ts';
import { restoreCollections } from './restore-collections.ts';
import { deriveColumns } from './restore-derived.ts';

const MAX_PROBLEMS = 1000;

/**
 * One step of rebuilding an empty database from the bucket MANIFESTS. The caller repeats it until `phase` is `done`. No
 * token works before the last step, and each row appears in its last state only, so access that was taken away is at no
 * moment there again.
 * @throws KeepError invalid_record when the database is not empty; unavailable when another call is at it
 */
export async function restoreStep(context: FlushContext): Promise<RestoreState> {
  const state = await withLease(context.db, 'restore lease', () => step(context));
  if (state === null)
    throw new KeepError('unavailable', {
      message:
        'another restore is under way, or was killed in the middle of a step: try again, at the latest in 15 minutes',
    });
  return state;
}

async function step(context: FlushContext): Promise<RestoreState> {
  const { db } = context;
  const state = (await readState<RestoreState>(db, 'restore')) ?? (await begin(context));
  if (state.phase === 'collections') await restoreCollections(context, state);
  else if (state.phase === 'accounts') await restoreAccounts(context, state);
  else await deriveColumns(context, state);
  state.problems.splice(MAX_PROBLEMS);
  await writeState(db, 'restore', state.phase === 'done' ? null : state);
  return state;
}

async function begin(context: FlushContext): Promise<RestoreState> {
  const { db } = context;
  await requireEmpty(db);
  const { unproven, lastId, at } = await planAccounts(context);
  const state: RestoreState = {
    phase: 'collections',
    cursor: '',
    moment: at,
    counts: {},
    problems: [],
    unproven,
    lastId,
  };
  await writeState(db, 'restore', state);
  await db.batch([
    ...[...ACCOUNT_TABLES].reverse().map(({ name }) => db.prepare(`DELETE FROM ${name}`)),
    db.prepare('DELETE FROM restored_keys'),
    db.prepare('DELETE FROM account_changes'),
  ]);
  return state;
}

/** Beside the records that every cluster has. */
async function requireEmpty(db: D1Database): Promise<void> {
  const row = await db
    .prepare(
      `SELECT EXISTS (SELECT 1 FROM collections) OR EXISTS (SELECT 1 FROM tokens)
         OR EXISTS (SELECT 1 FROM groups WHERE group_class = 'project')
         OR EXISTS (SELECT 1 FROM users WHERE username IS NOT NULL) AS is_used`,
    )
    .first<{ is_used: number }>();
  if (row?.is_used === 1)
    throw new KeepError('invalid_record', {
      message:
        'the database holds accounts or collections: a restore fills an empty one (docs/operate.md, a lost database)',
    });
}
