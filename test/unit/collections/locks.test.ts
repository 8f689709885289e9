import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Edit, EditRequest } from '../../../src/collections/edit/edits.ts';
import { createLockTable, type LockStorage } from '../../../src/collections/edit/lock-table.ts';
import { canCoexist, isIndependentOfLocks, type Lock } from '../../../src/collections/edit/locks.ts';

const PATHS = ['', 'a', 'a/b', 'a/b/c', 'ab', 'd'];
const USERS = ['ann', 'bob'];

const lock = fc.record({
  token: fc.constantFrom('t1', 't2', 't3', 't4'),
  path: fc.constantFrom(...PATHS),
  isDeep: fc.boolean(),
  isShared: fc.boolean(),
  owner: fc.constant(''),
  userUuid: fc.constantFrom(...USERS),
  expiresAt: fc.constant(1000),
});

/** Locks as they can be taken one after the other. */
const locks = fc.uniqueArray(lock, { selector: ({ token }) => token, maxLength: 4 }).map((wanted) => {
  const held: Lock[] = [];
  for (const one of wanted) if (canCoexist(one, held)) held.push(one);
  return held;
});

const edit = fc.oneof(
  fc.record({ kind: fc.constant('put' as const), path: fc.constantFrom(...PATHS.slice(1)), ranges: fc.constant([]) }),
  fc.record({ kind: fc.constant('delete' as const), path: fc.constantFrom(...PATHS.slice(1)) }),
  fc.record({
    kind: fc.constant('move' as const),
    from: fc.constantFrom(...PATHS.slice(1)),
    to: fc.constantFrom(...PATHS.slice(1)),
  }),
  fc.record({
    kind: fc.constant('copy' as const),
    from: fc.constantFrom(...PATHS),
    to: fc.constantFrom(...PATHS.slice(1)),
  }),
) as fc.Arbitrary<Edit>;

const request = (edits: Edit[], user: string, lockTokens: string[]): EditRequest => ({
  writer: {
    user: { uuid: user, isAdmin: false, isActive: true, username: user, fullName: user },
    tokenUuid: null,
    token: '',
  },
  edits,
  conditions: [],
  lockTokens,
});

const isBelow = (path: string, above: string) => above === '' || path === above || path.startsWith(`${above}/`);
const written = (one: Edit) => (one.kind === 'move' ? [one.from, one.to] : ['to' in one ? one.to : one.path]);

describe('locks', () => {
  test('without a token, a path is free exactly when no lock covers it, lies below it, or guards its directory', () => {
    fc.assert(
      fc.property(locks, edit, fc.constantFrom(...USERS), (held, one, user) => {
        const parents = written(one).map((path) => path.slice(0, Math.max(0, path.lastIndexOf('/'))));
        const isBound = held.some(
          ({ path, isDeep }) =>
            written(one).some((at) => at === path || (isDeep && isBelow(at, path)) || isBelow(path, at)) ||
            parents.includes(path),
        );
        expect(isIndependentOfLocks(request([one], user, []), held)).toBe(!isBound);
      }),
    );
  });

  test('all tokens of one’s own locks free a path only where no exclusive lock is another’s', () => {
    fc.assert(
      fc.property(locks, edit, fc.constantFrom(...USERS), (held, one, user) => {
        const tokens = held.map(({ token }) => token);
        const isFree = isIndependentOfLocks(request([one], user, tokens), held);
        if (held.every(({ userUuid }) => userUuid === user)) expect(isFree).toBe(true);
        const blocking = held.some(
          ({ path, isShared, userUuid }) => !isShared && userUuid !== user && written(one).includes(path),
        );
        if (blocking) expect(isFree).toBe(false);
      }),
    );
  });

  test('an exclusive lock never stands beside another that reaches the same path', () => {
    fc.assert(
      fc.property(locks, (held) => {
        for (const one of held)
          for (const other of held)
            if (one !== other && one.path === other.path) expect(one.isShared && other.isShared).toBe(true);
      }),
    );
  });

  test('expire, are dropped when the next is saved, and end with what they lock', async () => {
    const kept = new Map<string, unknown>();
    const storage: LockStorage = {
      list: async <T>() => new Map(kept as Map<string, T>),
      put: async (key, value) => void kept.set(key, value),
      delete: async (keys) => keys.filter((key) => kept.delete(key)).length,
    };
    let now = 0;
    const table = createLockTable(storage, () => now);
    await table.load();
    const made = (token: string, path: string, expiresAt: number): Lock => ({
      token,
      path,
      isDeep: true,
      isShared: false,
      owner: '',
      userUuid: 'ann',
      expiresAt,
    });
    await table.save(made('t1', 'a', 10));
    await table.save(made('t2', 'b/c', 100));
    now = 11;
    expect(table.current().map(({ token }) => token)).toEqual(['t2']);
    await table.save(made('t3', 'd', 100));
    expect([...kept.keys()]).toEqual(['lock:t2', 'lock:t3']);
    const again = createLockTable(storage, () => now);
    await again.load();
    expect(again.current().length).toBe(2);
    await again.follow([{ kind: 'move', from: 'b', to: 'e' }]);
    expect(again.current().map(({ token }) => token)).toEqual(['t3']);
  });
});
