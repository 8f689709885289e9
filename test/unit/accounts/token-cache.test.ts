import { expect, test } from 'vitest';
import type { Account } from '../../../src/accounts/account.ts';
import { withTokenCache } from '../../../src/accounts/token-cache.ts';

const account = (expiresAt: number | null = null): Account => ({
  user: null,
  scopes: ['all'],
  tokenUuid: 'u',
  expiresAt,
});

function setup(ttlSeconds: number, answer: () => Account | null) {
  let asked = 0;
  const clock = { now: 0 };
  const authority = withTokenCache(
    {
      identify: async () => {
        asked++;
        return answer();
      },
    },
    ttlSeconds,
    () => clock.now,
  );
  return { authority, clock, asked: () => asked };
}

test('an accepted token is not checked again within the TTL', async () => {
  const { authority, clock, asked } = setup(60, () => account());
  await authority.identify('t');
  clock.now = 59_999;
  await authority.identify('t');
  expect(asked()).toBe(1);
  clock.now = 60_000;
  await authority.identify('t');
  expect(asked()).toBe(2);
});

test('a revoked token is refused after the TTL', async () => {
  let good = true;
  const { authority, clock } = setup(60, () => (good ? account() : null));
  expect(await authority.identify('t')).not.toBeNull();
  good = false;
  clock.now = 60_001;
  expect(await authority.identify('t')).toBeNull();
});

test('a refusal is not kept: a token works as soon as it exists', async () => {
  let good = false;
  const { authority } = setup(60, () => (good ? account() : null));
  expect(await authority.identify('t')).toBeNull();
  good = true;
  expect(await authority.identify('t')).not.toBeNull();
});

test('no answer outlives the token', async () => {
  const { authority, clock, asked } = setup(60, () => account(10_000));
  await authority.identify('t');
  clock.now = 10_000;
  await authority.identify('t');
  expect(asked()).toBe(2);
});

test('forget makes every token be checked again', async () => {
  const { authority, asked } = setup(60, () => account());
  await authority.identify('t');
  authority.forget();
  await authority.identify('t');
  expect(asked()).toBe(2);
});
