import fc from 'fast-check';
import { expect, test } from 'vitest';
import { KeepError } from '../../../src/keep/errors.ts';
import { createSigner, signLocator, verifySignature } from '../../../src/keep/signature.ts';
import vectors from '../../vectors/signatures.json' with { type: 'json' };

const { key, now, cases } = vectors.outcomes;

function outcome(verify: () => void): string {
  try {
    verify();
    return 'ok';
  } catch (error) {
    if (error instanceof KeepError) return error.code;
    throw error;
  }
}

test.each(vectors.signatures)('vector $name is made and accepted', (vector) => {
  const signing = { key: vector.key, ttlSeconds: vector.ttlSeconds };
  const signed = `${vector.hash}+3+A${vector.signature}@${vector.expiry}`;
  expect(signLocator(`${vector.hash}+3`, vector.token, Number.parseInt(vector.expiry, 16), signing)).toBe(signed);
  verifySignature(signed, vector.token, now, signing);
});

test.each(cases)('changed: $change → $outcome', ({ locator, token, ttlSeconds, outcome: expected }) => {
  expect(outcome(() => verifySignature(locator, token, now, { key, ttlSeconds }))).toBe(expected);
});

test('a locator is expired as soon as its expiry second has begun', () => {
  const signing = { key, ttlSeconds: 1_209_600 };
  const signed = signLocator('acbd18db4cc2f85cedef654fccc4a4d8+3', 'token', now, signing);
  expect(outcome(() => verifySignature(signed, 'token', now - 0.001, signing))).toBe('ok');
  expect(outcome(() => verifySignature(signed, 'token', now + 0.001, signing))).toBe('expired_signature');
});

test('a small expiry is written with 8 digits', () => {
  const signed = signLocator('acbd18db4cc2f85cedef654fccc4a4d8+3', 'token', 0x1f, { key, ttlSeconds: 60 });
  expect(signed).toMatch(/@0000001f$/);
  expect(outcome(() => verifySignature(signed, 'token', 0x1e, { key, ttlSeconds: 60 }))).toBe('ok');
});

test('without a key or a token a locator stays unsigned', () => {
  const ttlSeconds = 3600;
  expect(signLocator('acbd18db4cc2f85cedef654fccc4a4d8+3+K@xtest', '', now, { key, ttlSeconds })).toBe(
    'acbd18db4cc2f85cedef654fccc4a4d8+3+K@xtest',
  );
  expect(signLocator('acbd18db4cc2f85cedef654fccc4a4d8+3', 'token', now, { key: '', ttlSeconds })).toBe(
    'acbd18db4cc2f85cedef654fccc4a4d8+3',
  );
});

test('an empty key vouches for nothing, not even for the HMAC made with it', () => {
  const signed = 'acbd18db4cc2f85cedef654fccc4a4d8+3+A0d4d1040e55b93e2d758550ccb702fd8c0340890@7fffffff';
  expect(outcome(() => verifySignature(signed, 'token', now, { key: '', ttlSeconds: 3600 }))).toBe('not_configured');
});

test('a fraction of a second in the TTL does not count', () => {
  const locator = 'acbd18db4cc2f85cedef654fccc4a4d8+3';
  expect(signLocator(locator, 'token', now, { key, ttlSeconds: 3600.9 })).toBe(
    signLocator(locator, 'token', now, { key, ttlSeconds: 3600 }),
  );
});

test('what is signed is accepted for the same token, key and TTL, with any other valid hints around it', () => {
  const hint = fc.stringMatching(/^[B-Z][A-Za-z0-9@_-]{0,10}$/);
  const properties = [
    fc.stringMatching(/^[0-9a-f]{32}$/),
    fc.option(fc.nat(), { nil: null }),
    fc.array(hint, { maxLength: 3 }),
    fc.array(hint, { maxLength: 3 }),
    fc.string({ minLength: 1, unit: 'binary' }),
    fc.integer({ min: now, max: 0xffffffff }),
  ] as const;
  fc.assert(
    fc.property(...properties, (hash, size, before, after, token, expiry) => {
      const signing = { key, ttlSeconds: 1_209_600 };
      const plain = [hash, ...(size === null ? [] : [size]), ...before].join('+');
      const signed = [signLocator(plain, token, expiry, signing), ...after].join('+');
      verifySignature(signed, token, now, signing);
      expect(outcome(() => verifySignature(signed, `${token}x`, now, signing))).toBe('invalid_signature');
    }),
  );
});

test('one signer signs many locators as signLocator signs each', () => {
  const signing = { key, ttlSeconds: 1_209_600 };
  const sign = createSigner('token', 0x7fffffff, signing);
  const hashes = fc.array(fc.stringMatching(/^[0-9a-f]{32}$/), { minLength: 2, maxLength: 5 });
  fc.assert(
    fc.property(hashes, (all) => {
      expect(all.map((hash) => sign(`${hash}+1`))).toEqual(
        all.map((hash) => signLocator(`${hash}+1`, 'token', 0x7fffffff, signing)),
      );
    }),
  );
});

test('no text makes verification throw anything but a KeepError', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.string(), (locator, token) => {
      expect(outcome(() => verifySignature(locator, token, now, { key, ttlSeconds: 60 }))).not.toBe('ok');
    }),
  );
});
