/** How far background work on backups is: JSON in `backup_state`, because it outlives isolates. */
export type StateName = 'snapshot' | 'restore' | 'earlier collections';
type LeaseName = 'snapshot lease' | 'restore lease';

/** One that a killed call held ends after this time. */
const LEASE_MS = 900_000;

export async function readState<T>(db: D1Database, name: StateName): Promise<T | null> {
  const row = await db.prepare('SELECT value FROM backup_state WHERE name = ?').bind(name).first<{ value: string }>();
  return row === null ? null : (JSON.parse(row.value) as T);
}

/** Null ends the work. */
export async function writeState(db: D1Database, name: StateName, value: object | null): Promise<void> {
  const statement =
    value === null
      ? db.prepare('DELETE FROM backup_state WHERE name = ?').bind(name)
      : db
          .prepare(
            'INSERT INTO backup_state (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value',
          )
          .bind(name, JSON.stringify(value));
  await statement.run();
}

/** Does the work, unless another call is at it: then null. */
export async function withLease<T>(db: D1Database, name: LeaseName, work: () => Promise<T>): Promise<T | null> {
  const now = Date.now();
  const taken = await db
    .prepare(
      `INSERT INTO backup_state (name, value) VALUES (?1, ?2)
       ON CONFLICT (name) DO UPDATE SET value = excluded.value WHERE CAST(value AS INTEGER) < ?3`,
    )
    .bind(name, String(now + LEASE_MS), now)
    .run();
  if (taken.meta.changes === 0) return null;
  try {
    return await work();
  } finally {
    await db.prepare('DELETE FROM backup_state WHERE name = ?').bind(name).run();
  }
}

export type RestorePhase = 'collections' | 'accounts' | 'derived' | 'done';

/** How far a restore is. It is kept in `backup_state` while it runs, and suppresses what triggers note. */
export interface RestoreState {
  phase: RestorePhase;
  /** Where the phase goes on. */
  cursor: string;
  /** RFC 3339: the newest change that was found. */
  moment: string;
  /** Rows restored, by table. */
  counts: Record<string, number>;
  /** What is not as it was, in sentences; a thousand at most. */
  problems: string[];
  /** Why tokens were disabled; null when every change since the snapshot is there. */
  unproven: string | null;
  /** Last id of `account_changes` in the bucket. */
  lastId: number;
}
