import type { Outcome } from './outcome.ts';

/** One entry of the current list that is being worked on. */
export interface Claim {
  generation: number;
  position: number;
  /** JSON, as it was staged. */
  entry: string;
  /** Of the request that sent it; '' for none. */
  requestId: string;
  /** How often it was begun before without being settled: the process died each time. */
  unsettledStarts: number;
}

export interface Tally extends Pick<Outcome, 'result' | 'reason'> {
  entries: number;
}

export interface Problem {
  /** Unix milliseconds. */
  at: number;
  /** Without signature. */
  locator: string;
  reason: string;
  message: string;
}

/** The current list. Times are Unix milliseconds, null for what has not happened yet. */
export interface ListFacts {
  generation: number;
  entries: number;
  settled: number;
  receivedAt: number | null;
  startedAt: number | null;
  lastSettledAt: number | null;
}

const SCHEMA = [
  `CREATE TABLE IF NOT EXISTS list (
    id INTEGER PRIMARY KEY CHECK (id = 0), generation INTEGER NOT NULL, entries INTEGER NOT NULL,
    settled INTEGER NOT NULL, received_ms INTEGER, started_ms INTEGER, settled_ms INTEGER)`,
  'INSERT OR IGNORE INTO list (id, generation, entries, settled) VALUES (0, 0, 0, 0)',
  `CREATE TABLE IF NOT EXISTS entries (
    generation INTEGER NOT NULL, position INTEGER NOT NULL, entry TEXT NOT NULL, starts INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (generation, position)) WITHOUT ROWID`,
  `CREATE TABLE IF NOT EXISTS tallies (
    scope TEXT NOT NULL, result TEXT NOT NULL, reason TEXT NOT NULL, entries INTEGER NOT NULL,
    PRIMARY KEY (scope, result, reason)) WITHOUT ROWID`,
  `CREATE TABLE IF NOT EXISTS problems (
    id INTEGER PRIMARY KEY AUTOINCREMENT, at_ms INTEGER NOT NULL, locator TEXT NOT NULL, reason TEXT NOT NULL,
    message TEXT NOT NULL)`,
];

/** Objects from before have tables without it; code from before does not see it. */
function addRequestId(sql: SqlStorage, table: string): void {
  const { has } = sql
    .exec<{ has: number }>(`SELECT count(*) AS has FROM pragma_table_info('${table}') WHERE name = 'request_id'`)
    .one();
  if (has === 0) sql.exec(`ALTER TABLE ${table} ADD COLUMN request_id TEXT`);
}

/** Rows deleted by one statement: more would block other calls to the object. */
const SWEEP_ROWS = 50_000;
const MAX_PROBLEMS = 20;

export type WorkRows = ReturnType<typeof createWorkRows>;

/**
 * A work list in a Durable Object's SQLite. A new list is staged under its own generation, in as many transactions as
 * it takes, and becomes current in one; rows of other generations are never worked on and are swept later. A row is
 * deleted only when its entry is settled, so that no entry is lost when the process dies.
 */
export function createWorkRows(storage: DurableObjectStorage) {
  const { sql } = storage;
  for (const statement of SCHEMA) sql.exec(statement);
  for (const table of ['list', 'entries']) addRequestId(sql, table);
  let newest = sql
    .exec<{ newest: number }>(
      'SELECT max(generation) AS newest FROM (SELECT generation FROM list UNION ALL SELECT max(generation) FROM entries)',
    )
    .one().newest;
  let current = sql.exec<{ generation: number }>('SELECT generation FROM list').one().generation;
  /** Lists that are arriving now: their rows must not be swept. */
  const staging = new Set<number>();
  /** Rows of the current list up to here have been claimed by this run. */
  let cursor = -1;
  /** Whether there may be rows to sweep; unknown after a start. */
  let hasLeftovers = true;

  return {
    /** Begins a new list. End it with `enforce` or `abandon`. */
    stage(): number {
      newest++;
      staging.add(newest);
      return newest;
    },

    /** Adds entries, each a JSON object's text, from `position` on. */
    add(generation: number, position: number, entries: string[]): void {
      sql.exec(
        'INSERT INTO entries (generation, position, entry) SELECT ?, ? + key, value FROM json_each(?)',
        generation,
        position,
        `[${entries.join(',')}]`,
      );
    },

    /** Adds an entry at the end of the current list, unless that waits there already or `most` do. */
    append(entry: string, most: number, now: number, requestId: string): boolean {
      return storage.transactionSync(() => {
        const { waiting, same } = sql
          .exec<{ waiting: number; same: number }>(
            'SELECT count(*) AS waiting, coalesce(sum(entry = ?), 0) AS same FROM entries WHERE generation = ?',
            entry,
            current,
          )
          .one();
        if (waiting >= most || same > 0) return false;
        const { position } = sql.exec<{ position: number }>('SELECT entries AS position FROM list').one();
        sql.exec(
          'INSERT INTO entries (generation, position, entry, request_id) VALUES (?, ?, ?, ?)',
          current,
          position,
          entry,
          requestId,
        );
        sql.exec('UPDATE list SET entries = entries + 1, received_ms = ?', now);
        return true;
      });
    },

    /** Makes a staged list current: entries of the previous one are not begun any more. */
    enforce(generation: number, entries: number, now: number, requestId: string): void {
      storage.transactionSync(() => {
        sql.exec(
          `UPDATE list SET generation = ?, entries = ?, settled = 0, received_ms = ?, started_ms = NULL, settled_ms = NULL,
             request_id = ?`,
          generation,
          entries,
          now,
          requestId,
        );
        sql.exec("DELETE FROM tallies WHERE scope = 'list'");
        sql.exec('DELETE FROM problems');
      });
      staging.delete(generation);
      current = generation;
      cursor = -1;
      hasLeftovers = true;
    },

    abandon(generation: number): void {
      staging.delete(generation);
      hasLeftovers = true;
    },

    /** Deletes a batch of rows that no current list uses; false when there are none left. */
    sweep(): boolean {
      if (!hasLeftovers) return false;
      let deleted = 0;
      // Two ranges: the rows of the current list are many, and need not be looked at.
      for (const side of ['<', '>']) {
        const { rowsWritten } = sql.exec(
          `DELETE FROM entries WHERE (generation, position) IN (
            SELECT generation, position FROM entries
            WHERE generation ${side} ? AND generation NOT IN (SELECT value FROM json_each(?)) LIMIT ${SWEEP_ROWS})`,
          current,
          JSON.stringify([...staging]),
        );
        deleted += rowsWritten;
      }
      hasLeftovers = deleted > 0;
      return hasLeftovers;
    },

    /** Begins a run with nothing claimed: entries that an earlier run claimed and never settled come first again. */
    begin(): void {
      cursor = -1;
    },

    /** The next entry in the order of the list, marked as begun; null when all have been claimed. */
    claim(now: number): Claim | null {
      const [row] = sql
        .exec<{ position: number; entry: string; starts: number; requestId: string }>(
          `SELECT position, entry, starts, coalesce(request_id, (SELECT request_id FROM list), '') AS requestId
           FROM entries WHERE generation = ? AND position > ? ORDER BY position LIMIT 1`,
          current,
          cursor,
        )
        .toArray();
      if (row === undefined) return null;
      cursor = row.position;
      sql.exec('UPDATE entries SET starts = starts + 1 WHERE generation = ? AND position = ?', current, row.position);
      if (row.position === 0) sql.exec('UPDATE list SET started_ms = coalesce(started_ms, ?)', now);
      const { position, entry, requestId, starts } = row;
      return { generation: current, position, entry, requestId, unsettledStarts: starts };
    },

    /** Removes the entry and counts how it ended; an entry of a list that was replaced meanwhile counts in the totals only. */
    settle({ generation, position }: Claim, { result, reason, message }: Outcome, locator: string, now: number): void {
      const isCurrent = generation === current;
      storage.transactionSync(() => {
        sql.exec('DELETE FROM entries WHERE generation = ? AND position = ?', generation, position);
        if (isCurrent) sql.exec('UPDATE list SET settled = settled + 1, settled_ms = ?', now);
        for (const scope of isCurrent ? ['list', 'total'] : ['total'])
          sql.exec(
            `INSERT INTO tallies (scope, result, reason, entries) VALUES (?, ?, ?, 1)
             ON CONFLICT DO UPDATE SET entries = entries + 1`,
            scope,
            result,
            reason,
          );
        if (message === undefined) return;
        sql.exec(
          'INSERT INTO problems (at_ms, locator, reason, message) VALUES (?, ?, ?, ?)',
          now,
          locator,
          reason,
          message,
        );
        sql.exec(`DELETE FROM problems WHERE id <= (SELECT max(id) FROM problems) - ${MAX_PROBLEMS}`);
      });
    },

    facts(): ListFacts {
      return sql
        .exec<ListFacts & Record<string, SqlStorageValue>>(
          `SELECT generation, entries, settled, received_ms AS receivedAt, started_ms AS startedAt,
             settled_ms AS lastSettledAt FROM list`,
        )
        .one();
    },

    /** Of the current list, or since the object came to be. */
    tallies(scope: 'list' | 'total'): Tally[] {
      return sql
        .exec<Tally & Record<string, SqlStorageValue>>(
          'SELECT result, reason, entries FROM tallies WHERE scope = ? ORDER BY result, reason',
          scope,
        )
        .toArray();
    },

    /** The latest failures of the current list, newest first. */
    problems(): Problem[] {
      return sql
        .exec<Problem & Record<string, SqlStorageValue>>(
          'SELECT at_ms AS at, locator, reason, message FROM problems ORDER BY id DESC',
        )
        .toArray();
    },
  };
}
