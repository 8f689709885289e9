import { KeepError } from '../keep/errors.ts';
import type { Row } from './columns.ts';

/**
 * D1 that does something after each write to certain tables, before the caller learns that the write is done. So no
 * writer can forget it, those to come included.
 */
export interface Watch {
  /** Whether a statement that writes concerns this watch. */
  concerns: (sql: string) => boolean;
  /** What `after` begins with: it is read along with a batch, after its statements. */
  first?: () => D1PreparedStatement;
  /** @param rows of `first`, where it was read */
  after: (rows?: Row[]) => Promise<void>;
}

const WRITES = /^\s*(?:INSERT|UPDATE|DELETE|REPLACE)\b/i;

export function watchedDatabase(db: D1Database, watches: readonly Watch[]): D1Database {
  const concernedBy = (sql: string) => (WRITES.test(sql) ? watches.filter(({ concerns }) => concerns(sql)) : []);
  const failed = async (concerned: Iterable<Watch>, error: unknown): Promise<never> => {
    // The write may have been made, and its writer may find out that it was.
    for (const { after } of concerned)
      await after().catch(() => {
        throw new KeepError('unavailable', {
          message: 'the change may or may not have been made: look, then try again',
          cause: error,
        });
      });
    throw error;
  };
  const told = async <T>(concerned: readonly Watch[], work: Promise<T>): Promise<T> => {
    const result = await work.catch((error: unknown) => failed(concerned, error));
    if (mayHaveChanged(result)) for (const { after } of concerned) await after();
    return result;
  };
  const watched = (inner: D1PreparedStatement, concerned: Watch[]): D1PreparedStatement => {
    const statement = {
      bind: (...values: unknown[]) => watched(inner.bind(...values), concerned),
      first: (...column: [string]) => told(concerned, inner.first(...column)),
      run: () => told(concerned, inner.run()),
      all: () => told(concerned, inner.all()),
      raw: (...options: [{ columnNames: true }]) => told(concerned, inner.raw(...options)),
    } as unknown as D1PreparedStatement;
    known.set(statement, { inner, concerned });
    return statement;
  };
  const known = new WeakMap<D1PreparedStatement, { inner: D1PreparedStatement; concerned: Watch[] }>();
  return {
    prepare(sql: string) {
      const concerned = concernedBy(sql);
      const inner = db.prepare(sql);
      return concerned.length === 0 ? inner : watched(inner, concerned);
    },
    async batch<T>(statements: D1PreparedStatement[]) {
      const concerned = new Set(statements.flatMap((statement) => known.get(statement)?.concerned ?? []));
      const inner = statements.map((statement) => known.get(statement)?.inner ?? statement);
      const firsts = [...concerned].flatMap((watch) =>
        watch.first === undefined ? [] : { watch, statement: watch.first() },
      );
      const results = await db
        .batch<T>([...inner, ...firsts.map(({ statement }) => statement)])
        .catch((error: unknown) => failed(concerned, error));
      const own = results.slice(0, inner.length);
      if (mayHaveChanged(own))
        for (const watch of concerned) {
          const at = firsts.findIndex((first) => first.watch === watch);
          await watch.after(at < 0 ? undefined : (results[inner.length + at]?.results as Row[]));
        }
      return own;
    },
    exec: (sql: string) => db.exec(sql),
    withSession: (constraint?: string) => db.withSession(constraint),
    dump: () => db.dump(),
  } as D1Database;
}

/** False only where D1 says that no row was written. */
function mayHaveChanged(result: unknown): boolean {
  const results: unknown[] = Array.isArray(result) ? result : [result];
  return results.some((one) => {
    const changes = (one as { meta?: { changes?: number } } | null)?.meta?.changes;
    return changes === undefined || changes > 0;
  });
}
