/** What is done beside an answer: it deletes what is in the bucket already. */
const BESIDE = /^DELETE FROM file_changes WHERE id/;

/** A D1 whose statements that no answer may wait for are held back until `release`: an answer that waits for one never comes. */
export function withHeldStatements(db: D1Database): { db: D1Database; hold: () => void; release: () => void } {
  let held = Promise.withResolvers<void>();
  held.resolve();
  const holding = (statement: D1PreparedStatement) => ({
    bind: (...values: unknown[]) => holding(statement.bind(...values)),
    run: () => held.promise.then(() => statement.run()),
  });
  const wrapped = {
    prepare: (sql: string) => (BESIDE.test(sql) ? holding(db.prepare(sql)) : db.prepare(sql)),
    batch: (statements: D1PreparedStatement[]) => db.batch(statements),
  };
  return {
    db: wrapped as unknown as D1Database,
    hold: () => {
      held = Promise.withResolvers<void>();
    },
    release: () => held.resolve(),
  };
}
