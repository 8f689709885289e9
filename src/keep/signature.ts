import { equalInConstantTime } from './constant-time.ts';
import { KeepError } from './errors.ts';
import { createHmacSha1 } from './hmac-sha1.ts';

/** What signatures are made with. The TTL is part of the signed message: changing it invalidates every signature. */
export interface SigningKey {
  /** The cluster's Collections.BlobSigningKey. */
  key: string;
  /** The cluster's Collections.BlobSigningTTL. */
  ttlSeconds: number;
  /** Signatures of this key are still accepted, while keys are changed. */
  previousKey?: string;
}

/** Exactly one well-formed A hint; all other hints begin with B to Z and use the strict alphabet. */
const SIGNED_LOCATOR =
  /^([0-9a-fA-F]{32})(?:\+[0-9]+)?(?:\+[B-Z][A-Za-z0-9@_-]*)*\+A([0-9a-fA-F]{40})@([0-9a-fA-F]{8})(?:\+[B-Z][A-Za-z0-9@_-]*)*$/;

/** The HMACs under the keys used last: a service has one key, and two while keys are changed. */
let latest: { key: string; hmac: (message: string) => string }[] = [];

function hmacUnder(key: string): (message: string) => string {
  let known = latest.find((one) => one.key === key);
  if (known === undefined) {
    known = { key, hmac: createHmacSha1(key) };
    latest = [known, ...latest.slice(0, 1)];
  }
  return known.hmac;
}

const hex = (seconds: number) => Math.floor(seconds).toString(16);

function hashOf(locator: string): string {
  const plus = locator.indexOf('+');
  return plus < 0 ? locator : locator.slice(0, plus);
}

/**
 * Appends `+A<signature>@<expiry>` for the whole token text as presented: a bare secret and its v2 form give different
 * signatures. Without a key or a token the locator stays unsigned.
 * @param expiry Unix seconds
 */
export function signLocator(locator: string, token: string, expiry: number, signing: SigningKey): string {
  return createSigner(token, expiry, signing)(locator);
}

/** signLocator for many locators with one token and expiry, such as a manifest's. */
export function createSigner(token: string, expiry: number, signing: SigningKey): (locator: string) => string {
  if (signing.key === '' || token === '') return (locator) => locator;
  const expiryHex = hex(expiry).padStart(8, '0');
  const rest = `@${token}@${expiryHex}@${hex(signing.ttlSeconds)}`;
  const hmac = hmacUnder(signing.key);
  return (locator) => `${locator}+A${hmac(hashOf(locator) + rest)}@${expiryHex}`;
}

/**
 * Returns when `token` may read the block, else throws in keepstore's order: expiry is checked before the signature.
 * Neither the size nor other hints are signed (docs/protocol/blocks.md#signatures).
 * @param now Unix seconds with their fraction (`Date.now() / 1000`): a locator is expired from its expiry second on
 * @throws KeepError no_token, invalid_signature, expired_signature; not_configured without a key
 */
export function verifySignature(locator: string, token: string, now: number, signing: SigningKey): void {
  createVerifier(token, now, signing)(locator);
}

/** verifySignature for many locators with one token, such as a manifest's: most of them share their expiry. */
export function createVerifier(token: string, now: number, signing: SigningKey): (locator: string) => void {
  // Anyone can compute an HMAC under an empty key.
  if (signing.key === '') throw new KeepError('not_configured');
  if (token === '') throw new KeepError('no_token');
  const hmac = hmacUnder(signing.key);
  const ttlHex = hex(signing.ttlSeconds);
  const { previousKey = '' } = signing;
  return (locator) => {
    const [, hash, signature, expiryHex] = SIGNED_LOCATOR.exec(locator) ?? [];
    if (hash === undefined || signature === undefined || expiryHex === undefined) {
      throw new KeepError('invalid_signature');
    }
    if (Number.parseInt(expiryHex, 16) < now) throw new KeepError('expired_signature');
    const message = `${hash}@${token}@${expiryHex}@${ttlHex}`;
    let expected = hmac(message);
    if (previousKey !== '' && !equalInConstantTime(signature, expected)) expected = hmacUnder(previousKey)(message);
    if (!equalInConstantTime(signature, expected)) throw new KeepError('invalid_signature');
  };
}
