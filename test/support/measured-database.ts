import { createTrips, type Trips } from './trips.ts';

/** What the statements of a database have cost since `reset`: D1 bills rows. */
export interface Cost {
  statements: number;
  roundTrips: number;
  rowsRead: number;
  rowsWritten: number;
  /** Milliseconds in SQLite. */
  sqlMs: number;
}

interface Meta {
  rows_read?: number;
  rows_written?: number;
  duration?: number;
}
type Answer = { meta?: Meta; results?: unknown[] };

/**
 * A D1Database that adds up what its statements cost. Statements must be read with `all`, `run`, `first` or `batch`.
 * @param trips which its round trips belong to
 */
export function measuredDatabase<Database extends object>(
  db: Database,
  trips: Trips = createTrips(),
): { db: Database; cost: Cost; reset: () => void } {
  const cost: Cost = { statements: 0, roundTrips: 0, rowsRead: 0, rowsWritten: 0, sqlMs: 0 };
  const add = <T extends Answer>(answer: T): T => {
    cost.statements++;
    cost.rowsRead += answer.meta?.rows_read ?? 0;
    cost.rowsWritten += answer.meta?.rows_written ?? 0;
    cost.sqlMs += answer.meta?.duration ?? 0;
    return answer;
  };
  // biome-ignore lint/suspicious/noExplicitAny: D1's statements, here and in Node
  const wrap = (statement: any): any => ({
    inner: statement,
    bind: (...values: unknown[]) => wrap(statement.bind(...values)),
    all: async () => add(await trip<Answer>(1, () => statement.all())),
    run: async () => add(await trip<Answer>(1, () => statement.run())),
    first: async () => add(await trip<Answer>(1, () => statement.all())).results?.[0] ?? null,
  });
  const trip = <T>(statements: number, ask: () => Promise<T>): Promise<T> => {
    cost.roundTrips++;
    return trips.take(`D1: ${statements}`, ask);
  };
  const measured = {
    prepare: (sql: string) => wrap((db as unknown as { prepare(sql: string): unknown }).prepare(sql)),
    batch: async (statements: { inner: unknown }[]) => {
      const { batch } = db as unknown as { batch(statements: unknown[]): Promise<Answer[]> };
      const inner = statements.map((statement) => statement.inner);
      return (await trip(inner.length, () => batch.call(db, inner))).map(add);
    },
  };
  const reset = () => Object.assign(cost, { statements: 0, roundTrips: 0, rowsRead: 0, rowsWritten: 0, sqlMs: 0 });
  return { db: measured as unknown as Database, cost, reset };
}
