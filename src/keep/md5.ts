import { md5 } from '@noble/hashes/legacy.js';
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js';

/** Lowercase hex MD5 of a text (as UTF-8) or of bytes. For short inputs: blocks are hashed by the platform. */
export function md5Hex(input: string | Uint8Array): string {
  return bytesToHex(md5(typeof input === 'string' ? utf8ToBytes(input) : input));
}
