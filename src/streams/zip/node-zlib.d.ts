/** The part of Node's module that the Workers runtime has too, and that is used here. */
declare module 'node:zlib' {
  /** @param before the CRC-32 of the bytes in front of these */
  export function crc32(bytes: Uint8Array, before?: number): number;
}
