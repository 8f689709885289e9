import { afterEach, describe, expect, test, vi } from 'vitest';
import { createEventLog, type LoggedEvent } from '../../../src/collections/event-log.ts';

/** A database that takes a statement's rows, or fails as long as it is told to. */
function createDatabase() {
  const state = { fails: false, statements: [] as { sql: string; rows: unknown[][] }[] };
  const prepare = (sql: string) => ({
    bind: (json: unknown) => ({
      run: async () => {
        if (state.fails) throw new Error('D1_ERROR');
        state.statements.push({ sql, rows: JSON.parse(String(json)) });
        return {};
      },
    }),
  });
  return { state, db: { prepare } };
}

const event = (path: string): LoggedEvent => ({
  event_type: 'file_download',
  object_uuid: 'user',
  properties: { reqPath: path },
});
const soon = () => new Promise<void>((resolve) => setTimeout(resolve, 0));

describe('the log of downloads', () => {
  afterEach(() => {
    vi.useRealTimers();
  });

  test('writes what comes one after the other a few times a second', async () => {
    vi.useFakeTimers();
    const { db, state } = createDatabase();
    const sleep = (milliseconds: number) => new Promise<void>((resolve) => setTimeout(resolve, milliseconds));
    const log = createEventLog(db, 'xedge', () => undefined, sleep);
    const work: Promise<unknown>[] = [];
    for (let i = 0; i < 1000; i++) {
      log.record('user', event(`/${i}`), 0, (promise) => work.push(promise));
      await vi.advanceTimersByTimeAsync(1);
    }
    await vi.advanceTimersByTimeAsync(1000);
    await Promise.all(work);
    const written = state.statements.flatMap(({ rows }) =>
      rows.map((row) => String(row.find((at) => /req/.test(String(at))))),
    );
    expect(new Set(written).size).toBe(1000);
    expect(state.statements.length).toBeLessThanOrEqual(6);
  });

  test('writes what comes together in one statement, and no caller waits', async () => {
    const { db, state } = createDatabase();
    const log = createEventLog(db, 'xedge', () => undefined, soon);
    const work: Promise<unknown>[] = [];
    for (let i = 0; i < 300; i++) log.record('user', event(`/${i}`), 0, (promise) => work.push(promise));
    expect(state.statements).toEqual([]);
    await Promise.all(work);
    expect(state.statements.map(({ rows }) => rows.length)).toEqual([300]);
    const [statement] = state.statements;
    const names = /\((.*)\) SELECT/.exec(statement?.sql ?? '')?.[1]?.split(', ') ?? [];
    const row = Object.fromEntries(names.map((name, i) => [name, statement?.rows[7]?.[i]]));
    expect(row).toMatchObject({ owner_uuid: 'user', event_type: 'file_download', properties: '{"reqPath":"/7"}' });
  });

  test('holds a bounded number of events while the database fails, counts the others, and writes the held ones later', async () => {
    const { db, state } = createDatabase();
    let dropped = 0;
    const log = createEventLog(db, 'xedge', () => dropped++, soon);
    state.fails = true;
    const work: Promise<unknown>[] = [];
    for (let i = 0; i < 6000; i++) log.record('user', event(`/${i}`), 0, (promise) => work.push(promise));
    await Promise.allSettled(work);
    expect(dropped).toBe(1000);
    state.fails = false;
    const next: Promise<unknown>[] = [];
    log.record('user', event('/finds no room, but makes some'), 0, (promise) => next.push(promise));
    await Promise.all(next);
    log.record('user', event('/finds room'), 0, (promise) => next.push(promise));
    await Promise.all(next);
    expect([state.statements.flatMap(({ rows }) => rows).length, dropped]).toEqual([5001, 1001]);
  });
});
