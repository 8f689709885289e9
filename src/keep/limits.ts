/** A block holds at most 64 MiB: fixed by the format, clients rely on it. */
export const MAX_BLOCK_BYTES = 67_108_864;
export const EMPTY_HASH = 'd41d8cd98f00b204e9800998ecf8427e';
export const EMPTY_LOCATOR = `${EMPTY_HASH}+0`;
