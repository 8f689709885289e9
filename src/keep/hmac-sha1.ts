import { hmac } from '@noble/hashes/hmac.js';
import { sha1 } from '@noble/hashes/legacy.js';
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js';

/** Lowercase hex HMAC-SHA1 of `message` under `key`, both taken as UTF-8. */
export function hmacSha1Hex(key: string, message: string): string {
  return bytesToHex(hmac(sha1, utf8ToBytes(key), utf8ToBytes(message)));
}

/** Same result, with the work that only depends on the key done once: for thousands of messages under one key. */
export function createHmacSha1(key: string): (message: string) => string {
  const keyed = hmac.create(sha1, utf8ToBytes(key));
  return (message) => bytesToHex(keyed.clone().update(utf8ToBytes(message)).digest());
}
