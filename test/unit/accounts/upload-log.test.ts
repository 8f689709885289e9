import { describe, expect, test } from 'vitest';
import { createUploadLog, type Upload } from '../../../src/accounts/upload-log.ts';

/** A database that takes a statement's rows after a moment, or fails a given number of times. */
function createDatabase(failures = 0) {
  const statements: unknown[][][] = [];
  let left = failures;
  const bind = (json: unknown) => ({
    run: async () => {
      await new Promise((resolve) => setTimeout(resolve, 1));
      if (left-- > 0) throw new Error('D1_ERROR');
      statements.push(JSON.parse(String(json)));
      return {};
    },
  });
  return { db: { prepare: () => ({ bind }) }, statements };
}

const upload = (i: number): Upload => ({ hash: `hash${i}`, size: i, userUuid: 'user', at: 0 });
const hashes = (statements: unknown[][][]) => statements.flat().map(([hash]) => hash);
const soon = () => new Promise<void>((resolve) => setTimeout(resolve, 0));

describe('the upload log', () => {
  test('writes what comes together in one statement', async () => {
    const { db, statements } = createDatabase();
    const log = createUploadLog(db, soon);
    const work: Promise<unknown>[] = [];
    for (let i = 0; i < 50; i++) log.record(upload(i), (promise) => work.push(promise));
    await Promise.all(work);
    expect(statements).toHaveLength(1);
    expect(statements[0]?.[7]).toEqual(['hash7', 7, 'user', '1970-01-01T00:00:00.000000000Z']);
  });

  test('loses and doubles nothing when the database fails for a while', async () => {
    const { db, statements } = createDatabase(2);
    const log = createUploadLog(db, soon);
    const work: Promise<unknown>[] = [];
    for (let i = 0; i < 10; i++) log.record(upload(i), (promise) => work.push(promise));
    await Promise.allSettled(work);
    await log.flush();
    expect(hashes(statements).sort()).toEqual(Array.from({ length: 10 }, (_, i) => `hash${i}`));
  });

  test('a flush also waits for what another request is writing', async () => {
    const { db, statements } = createDatabase();
    const log = createUploadLog(db, soon);
    log.record(upload(1), () => {});
    const other = log.flush();
    await log.flush();
    expect(hashes(statements)).toEqual(['hash1']);
    await other;
  });
});
