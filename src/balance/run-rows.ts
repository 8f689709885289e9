import type { RecordFile } from './record-reader.ts';
import type { Wants } from './references.ts';
import { type Counts, type FileKind, type Member, NO_COUNTS, type Phase, type Run, type RunRows } from './runs.ts';

const SCHEMA = [
  `CREATE TABLE IF NOT EXISTS runs (
    id INTEGER PRIMARY KEY AUTOINCREMENT, is_dry INTEGER NOT NULL, phase TEXT NOT NULL, started_ms INTEGER NOT NULL,
    finished_ms INTEGER, cursor TEXT NOT NULL DEFAULT '', step INTEGER NOT NULL DEFAULT 0, counts TEXT NOT NULL,
    message TEXT NOT NULL DEFAULT '')`,
  `CREATE TABLE IF NOT EXISTS files (
    run INTEGER NOT NULL, kind TEXT NOT NULL, position INTEGER NOT NULL, key TEXT NOT NULL, records INTEGER NOT NULL,
    PRIMARY KEY (run, kind, position)) WITHOUT ROWID`,
  `CREATE TABLE IF NOT EXISTS wants (
    run INTEGER NOT NULL, number INTEGER NOT NULL, copies INTEGER NOT NULL, classes TEXT NOT NULL,
    PRIMARY KEY (run, number)) WITHOUT ROWID`,
  `CREATE TABLE IF NOT EXISTS members (
    run INTEGER NOT NULL, number INTEGER NOT NULL, uuid TEXT NOT NULL, project TEXT NOT NULL, owner TEXT NOT NULL,
    PRIMARY KEY (run, number)) WITHOUT ROWID`,
  `CREATE TABLE IF NOT EXISTS problems (
    run INTEGER NOT NULL, kind TEXT NOT NULL, subject TEXT NOT NULL, detail TEXT NOT NULL,
    PRIMARY KEY (run, kind, subject)) WITHOUT ROWID`,
];

/** Runs remembered for people. */
const MAX_RUNS = 100;
/** Lost blocks and unreadable collections named one by one; the counts tell how many there are. */
const MAX_PROBLEMS = 1000;
const DELETE_ROWS = 50_000;

/** The balancer's state in its Durable Object. Every slice ends in one transaction: what came before it is never done again. */
export function createRunRows(storage: DurableObjectStorage): RunRows {
  const { sql } = storage;
  for (const statement of SCHEMA) sql.exec(statement);

  const runOf = (row: Record<string, SqlStorageValue>): Run => ({
    id: Number(row.id),
    isDry: row.is_dry === 1,
    phase: String(row.phase) as Phase,
    startedAt: Number(row.started_ms),
    finishedAt: row.finished_ms === null ? null : Number(row.finished_ms),
    cursor: String(row.cursor),
    step: Number(row.step),
    counts: { ...NO_COUNTS, ...(JSON.parse(String(row.counts)) as Partial<Counts>) },
    message: String(row.message),
  });

  return {
    start(isDry: boolean, now: number): Run {
      sql.exec(
        'INSERT INTO runs (is_dry, phase, started_ms, counts) VALUES (?, ?, ?, ?)',
        isDry ? 1 : 0,
        'collect',
        now,
        JSON.stringify(NO_COUNTS),
      );
      const run = this.current();
      if (run === null) throw new Error('the run that was just started is not there');
      return run;
    },

    /** The run that is not over yet. */
    current(): Run | null {
      const [row] = sql
        .exec("SELECT * FROM runs WHERE phase NOT IN ('done', 'failed') ORDER BY id DESC LIMIT 1")
        .toArray();
      return row === undefined ? null : runOf(row);
    },

    /** Newest first. */
    runs(limit = MAX_RUNS): Run[] {
      return sql.exec('SELECT * FROM runs ORDER BY id DESC LIMIT ?', limit).toArray().map(runOf);
    },

    /** The last run that came to its end. */
    lastDone(): Run | null {
      const [row] = sql.exec("SELECT * FROM runs WHERE phase = 'done' ORDER BY id DESC LIMIT 1").toArray();
      return row === undefined ? null : runOf(row);
    },

    /** Ends a slice: the run's new state, and what else belongs to it, in one transaction. A run that is over stays as it is. */
    save(run: Run, alongside: () => void = () => {}): void {
      storage.transactionSync(() => {
        alongside();
        sql.exec(
          "UPDATE runs SET phase = ?, finished_ms = ?, cursor = ?, step = ?, counts = ?, message = ? WHERE id = ? AND phase NOT IN ('done', 'failed')",
          run.phase,
          run.finishedAt,
          run.cursor,
          run.step,
          JSON.stringify(run.counts),
          run.message,
          run.id,
        );
      });
    },

    addFiles(run: number, kind: FileKind, files: RecordFile[]): void {
      const [row] = sql
        .exec<{ n: number }>(
          'SELECT coalesce(max(position), -1) + 1 AS n FROM files WHERE run = ? AND kind = ?',
          run,
          kind,
        )
        .toArray();
      files.forEach(({ key, count }, i) => {
        sql.exec('INSERT INTO files VALUES (?, ?, ?, ?, ?)', run, kind, (row?.n ?? 0) + i, key, count);
      });
    },

    replaceFiles(run: number, kind: FileKind, files: RecordFile[]): void {
      sql.exec('DELETE FROM files WHERE run = ? AND kind = ?', run, kind);
      this.addFiles(run, kind, files);
    },

    files(run: number, kind: FileKind): RecordFile[] {
      return sql
        .exec<{ key: string; records: number }>(
          'SELECT key, records FROM files WHERE run = ? AND kind = ? ORDER BY position',
          run,
          kind,
        )
        .toArray()
        .map(({ key, records }) => ({ key, count: records }));
    },

    addWants(run: number, number: number, { copies, classes }: Wants): void {
      sql.exec('INSERT OR IGNORE INTO wants VALUES (?, ?, ?, ?)', run, number, copies, JSON.stringify(classes));
    },

    wants(run: number): Wants[] {
      return sql
        .exec<{ copies: number; classes: string }>(
          'SELECT copies, classes FROM wants WHERE run = ? ORDER BY number',
          run,
        )
        .toArray()
        .map(({ copies, classes }) => ({ copies, classes: JSON.parse(classes) as string[] }));
    },

    /** Numbers are given from `first` on. */
    addMembers(run: number, first: number, members: Member[]): void {
      sql.exec(
        `INSERT OR REPLACE INTO members (run, number, uuid, project, owner)
         SELECT ?, ? + key, value ->> 0, value ->> 1, value ->> 2 FROM json_each(?)`,
        run,
        first,
        JSON.stringify(members.map(({ uuid, project, owner }) => [uuid, project, owner])),
      );
    },

    memberCount(run: number): number {
      return sql.exec<{ n: number }>('SELECT coalesce(max(number), -1) + 1 AS n FROM members WHERE run = ?', run).one()
        .n;
    },

    /** From number `from` on. */
    members(run: number, from: number, limit: number): Member[] {
      return sql
        .exec<{ uuid: string; project: string; owner: string }>(
          'SELECT uuid, project, owner FROM members WHERE run = ? AND number >= ? ORDER BY number LIMIT ?',
          run,
          from,
          limit,
        )
        .toArray();
    },

    addProblem(run: number, kind: 'lost' | 'unreadable', subject: string, detail: unknown): void {
      const [row] = sql
        .exec<{ n: number }>('SELECT count(*) AS n FROM problems WHERE run = ? AND kind = ?', run, kind)
        .toArray();
      if ((row?.n ?? 0) >= MAX_PROBLEMS) return;
      sql.exec('INSERT OR REPLACE INTO problems VALUES (?, ?, ?, ?)', run, kind, subject, JSON.stringify(detail));
    },

    problems(run: number, kind: 'lost' | 'unreadable'): { subject: string; detail: unknown }[] {
      return sql
        .exec<{ subject: string; detail: string }>(
          'SELECT subject, detail FROM problems WHERE run = ? AND kind = ? ORDER BY subject',
          run,
          kind,
        )
        .toArray()
        .map(({ subject, detail }) => ({ subject, detail: JSON.parse(detail) as unknown }));
    },

    /** Deletes some of what runs before `keep` left; false when nothing is left. `keysToDelete` are files in the bucket. */
    forget(keep: number): { keysToDelete: string[]; isDone: boolean } {
      const files = sql
        .exec<{ run: number; kind: string; position: number; key: string }>(
          'SELECT run, kind, position, key FROM files WHERE run < ? LIMIT 1000',
          keep,
        )
        .toArray();
      for (const { run, kind, position } of files)
        sql.exec('DELETE FROM files WHERE run = ? AND kind = ? AND position = ?', run, kind, position);
      const { rowsWritten } = sql.exec(
        `DELETE FROM members WHERE (run, number) IN (SELECT run, number FROM members WHERE run < ? LIMIT ${DELETE_ROWS})`,
        keep,
      );
      sql.exec('DELETE FROM wants WHERE run < ?', keep);
      sql.exec('DELETE FROM problems WHERE run < ?', keep);
      sql.exec('DELETE FROM runs WHERE id <= ? - ?', keep, MAX_RUNS);
      return { keysToDelete: files.map(({ key }) => key), isDone: files.length === 0 && rowsWritten === 0 };
    },
  };
}
