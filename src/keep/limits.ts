/** Facts of the format (keep-block-api.md 1.3). */
export const MAX_BLOCK_BYTES = 67_108_864;
export const EMPTY_HASH = 'd41d8cd98f00b204e9800998ecf8427e';
export const EMPTY_LOCATOR = `${EMPTY_HASH}+0`;
