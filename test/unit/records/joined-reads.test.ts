import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createJoinedReads } from '../../../src/records/joined-reads.ts';

const AT_ONCE = 4;
const USER = {};

/** A database: what is read is the state at the time when the read begins; it ends when told to. */
let state = 0;
let reads: { resolve: () => void; reject: (error: Error) => void }[] = [];
let waited: Promise<unknown>[] = [];
const read = () => {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const seen = state;
  reads.push({ resolve: () => resolve(seen), reject });
  return promise;
};
let joined = createJoinedReads<number>((work) => void waited.push(work));
const ask = (user = USER, key = 'uuid') => joined(user, key, read);
const settled = () => vi.advanceTimersByTimeAsync(0);

beforeEach(() => {
  vi.useFakeTimers();
  [state, reads, waited] = [0, [], []];
  joined = createJoinedReads<number>((work) => void waited.push(work));
});
afterEach(() => vi.useRealTimers());

test('a few requests read by themselves; many share the next read, which begins after the last of them', async () => {
  const first = Array.from({ length: AT_ONCE }, () => ask());
  const more = Array.from({ length: 50 }, () => ask());
  await settled();
  expect(reads).toHaveLength(AT_ONCE);
  // A commit: those who have read before may not see it, those who wait do.
  state = 1;
  const last = ask();
  reads[0]?.resolve();
  await settled();
  expect(reads).toHaveLength(AT_ONCE + 1);
  for (const { resolve } of reads) resolve();
  expect(await Promise.all(first)).toEqual(first.map(() => 0));
  expect(await Promise.all([...more, last])).toEqual([...more, last].map(() => 1));
});

test('who comes after a shared read has begun is not answered by it', async () => {
  for (let i = 0; i < AT_ONCE + 1; i++) void ask();
  await settled();
  reads[0]?.resolve();
  await settled();
  expect(reads).toHaveLength(AT_ONCE + 1);
  state = 1;
  const late = ask();
  for (const { resolve } of reads) resolve();
  await settled();
  for (const { resolve } of reads) resolve();
  expect(await late).toBe(1);
});

test('other users, and other things, are read for themselves', async () => {
  for (let i = 0; i < 2 * AT_ONCE; i++) void ask();
  void ask({});
  void ask(USER, 'another uuid');
  await settled();
  expect(reads).toHaveLength(AT_ONCE + 2);
});

test('a failure is told to all that share the read, and the next request reads anew', async () => {
  const first = Array.from({ length: AT_ONCE }, () => ask());
  const shared = [ask(), ask()].map((asked) => asked.catch((error: Error) => error.message));
  await settled();
  for (const { resolve } of reads) resolve();
  await Promise.all(first);
  await settled();
  reads.at(-1)?.reject(new Error('the database is busy'));
  expect(await Promise.all(shared)).toEqual(['the database is busy', 'the database is busy']);
  const again = ask();
  await settled();
  reads.at(-1)?.resolve();
  expect(await again).toBe(0);
});

test('reads of requests that were cut off hold the others up for a second at most', async () => {
  for (let i = 0; i < AT_ONCE; i++) void ask();
  const waiting = [ask(), ask(), ask()];
  await vi.advanceTimersByTimeAsync(1000);
  for (const { resolve } of reads.slice(AT_ONCE)) resolve();
  await settled();
  for (const { resolve } of reads.slice(AT_ONCE)) resolve();
  expect(await Promise.all(waiting)).toEqual([0, 0, 0]);
  // None of them counts any more.
  const after = ask();
  await settled();
  reads.at(-1)?.resolve();
  expect(await after).toBe(0);
});

test('a read goes on when its own client leaves', async () => {
  void ask();
  expect(waited).toHaveLength(1);
});
