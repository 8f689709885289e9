import { hmac } from '@noble/hashes/hmac.js';
import { sha1 } from '@noble/hashes/legacy.js';
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js';

/** Lowercase hex HMAC-SHA1 of `message` under `key`, both taken as UTF-8. */
export function hmacSha1Hex(key: string, message: string): string {
  return bytesToHex(hmac(sha1, utf8ToBytes(key), utf8ToBytes(message)));
}

/** Shorter than a block of SHA-1: the library copies such chunks; longer ones get a DataView each, at three times the cost. */
const CHUNK_BYTES = 60;
const ROOM_BYTES = 1024;
/** Bytes that one character of a JavaScript string can become in UTF-8. */
const MAX_BYTES_PER_CHAR = 3;

/** Same result, with the work that only depends on the key done once: for thousands of messages under one key. */
export function createHmacSha1(key: string): (message: string) => string {
  const keyed = hmac.create(sha1, utf8ToBytes(key));
  const scratch = keyed.clone();
  const room = new Uint8Array(ROOM_BYTES);
  const encoder = new TextEncoder();
  return (message) => {
    const fits = message.length * MAX_BYTES_PER_CHAR <= ROOM_BYTES;
    const bytes = fits ? room.subarray(0, encoder.encodeInto(message, room).written) : utf8ToBytes(message);
    const running = keyed._cloneInto(scratch);
    for (let from = 0; from < bytes.length; from += CHUNK_BYTES)
      running.update(bytes.subarray(from, from + CHUNK_BYTES));
    return bytesToHex(running.digest());
  };
}
