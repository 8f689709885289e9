import { hmac } from '@noble/hashes/hmac.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js';
import { createBoundedMap } from '../keep/bounded-map.ts';
import { equalInConstantTime } from '../keep/constant-time.ts';
import { parseToken } from '../keep/token.ts';
import { INFIX, isUuid } from '../records/ids.ts';
import type { Account, Authority } from './account.ts';

/** Characters of a derived secret, hex: as many as AWS's have. */
const SECRET_CHARS = 40;

/** What a client's access key stands for. */
export interface S3Credential {
  /** The key of the client's signatures. */
  secret: string;
  /** What the authority knows the client by, once a signature has been verified with that secret. */
  token: string;
  /** Whether the access key holds the token itself: it must not travel in a link. */
  carriesToken: boolean;
}

export interface S3Keys {
  /**
   * Null for an access key that can be none. Says nothing about the token being good.
   * @throws KeepError bad_gateway when the cluster fails
   */
  credential(accessKey: string, signal?: AbortSignal): Promise<S3Credential | null>;
  /** The key pair of a token, for its owner; null where secrets are not derived here or the token has no UUID. */
  pairOf(tokenUuid: string): { accessKey: string; secretKey: string } | null;
}

const V2_KEY = /^v2_[a-z0-9]{5}-gj3su-[a-z0-9]{15}_/;

/**
 * Access keys that hold a token: the original's `v2_UUID_SECRET` (each slash as an underscore), a percent-encoded token,
 * or a bare secret. The secret key is the same text as sent.
 */
export function tokenCredential(accessKey: string): S3Credential | null {
  if (accessKey === '') return null;
  const token = V2_KEY.test(accessKey) ? accessKey.replaceAll('_', '/') : decoded(accessKey);
  return { secret: accessKey, token, carriesToken: true };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/**
 * Key pairs of tokens of which only hashes are kept. The access key is the token's UUID; the secret key is derived from
 * it with a secret of this service, and so is what stands for the token inside it once a signature was good. Nothing is
 * stored, and both end with the token.
 */
export function createDerivedKeys(serviceSecret: string): S3Keys & { isSession(token: string): string | null } {
  const derive = (use: string, uuid: string) =>
    bytesToHex(hmac(sha256, utf8ToBytes(serviceSecret), utf8ToBytes(`${use} ${uuid}`)));
  const secretOf = (uuid: string) => derive('S3 secret key', uuid).slice(0, SECRET_CHARS);
  // Never leaves the service, so that a secret key opens nothing but S3.
  const sessionOf = (uuid: string) => `v2/${uuid}/${derive('S3 session', uuid)}`;
  // Two HMACs in JavaScript, each time the same.
  const derived = createBoundedMap<S3Credential>({ maxEntries: 1000, maxBytes: 1024 * 1024, sizeOf: () => 400 });
  const derivedOf = (uuid: string): S3Credential => {
    const known = derived.get(uuid);
    if (known !== undefined) return known;
    const credential = { secret: secretOf(uuid), token: sessionOf(uuid), carriesToken: false };
    derived.set(uuid, credential);
    return credential;
  };
  return {
    credential: (accessKey) =>
      Promise.resolve(isUuid(accessKey, INFIX.token) ? derivedOf(accessKey) : tokenCredential(accessKey)),
    pairOf: (uuid) => (isUuid(uuid, INFIX.token) ? { accessKey: uuid, secretKey: secretOf(uuid) } : null),
    isSession(token) {
      const { uuid } = parseToken(token);
      if (uuid === null || !isUuid(uuid, INFIX.token)) return null;
      return equalInConstantTime(token, sessionOf(uuid)) ? uuid : null;
    },
  };
}

/** Knows what stands for a token inside the service; every other token is passed on. */
export function withS3Sessions(
  keys: { isSession(token: string): string | null },
  identifyUuid: (uuid: string) => Promise<Account | null>,
  next: Authority,
): Authority {
  return {
    identify(token, signal) {
      const uuid = keys.isSession(token);
      return uuid === null ? next.identify(token, signal) : identifyUuid(uuid);
    },
  };
}
