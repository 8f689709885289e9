import { hmac } from '@noble/hashes/hmac.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js';
import { isToken } from '../keep/token.ts';
import { ANONYMOUS_TAIL, INFIX } from '../records/ids.ts';
import type { Account, Authority } from './account.ts';
import { anonymousUser } from './built-ins.ts';

const SECRET_LENGTH = 50;
/** Reading, in all its forms, and nothing that changes anything. */
const SCOPES = ['GET /', 'OPTIONS /', 'PROPFIND /'];

/**
 * The token of who asks without one. It is no secret: the config document shows it. It is derived from a secret, so that
 * it is the same in every isolate and needs no row.
 */
export function anonymousToken(clusterId: string, secret: string): string {
  const mac = bytesToHex(hmac(sha256, utf8ToBytes(secret), utf8ToBytes('anonymous token')));
  return `v2/${clusterId}-${INFIX.token}-${ANONYMOUS_TAIL}/${mac.slice(0, SECRET_LENGTH)}`;
}

/** Knows the anonymous token; every other one is passed on. */
export function withAnonymousToken(token: string, clusterId: string, next: Authority): Authority {
  const account: Account = {
    user: anonymousUser(clusterId),
    scopes: SCOPES,
    tokenUuid: token.split('/')[1] ?? null,
    expiresAt: null,
  };
  const secret = token.split('/')[2] ?? '';
  return {
    identify: (presented, signal) =>
      isToken(presented, token) || isToken(presented, secret)
        ? Promise.resolve(account)
        : next.identify(presented, signal),
  };
}
