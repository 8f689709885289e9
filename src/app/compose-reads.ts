import { exports } from 'cloudflare:workers';
import type { BlockSource } from '../blocks/block-source.ts';
import { createDigestStore, type DigestStore } from '../blocks/digest-store.ts';
import { type BlockCache, NO_CACHE } from '../blocks/edge-cache.ts';
import { createHedging } from '../blocks/hedging.ts';
import { type BlockEntrypoint, createBlockTier } from '../blocks/tiered-cache.ts';
import type { Config } from '../config/config.ts';
import type { Env } from '../config/env.ts';
import { hmacSha1Hex } from '../keep/hmac-sha1.ts';
import { createRepairs } from '../queues/repair-handle.ts';
import type { Mount } from '../storage/mounts.ts';

/** What the entrypoint behind the tiered cache works with. */
export interface BlockFill {
  source: BlockSource;
  /** What a caller's props must hold: no other Worker of the account may read blocks past their permission. */
  code: string;
}

/** Where blocks are read from: by requests, and by the entrypoint behind the tiered cache. */
export function composeReads(
  config: Config,
  env: Env,
  mounts: Mount[],
  cache: BlockCache,
  last: Mount[],
): { blocks: BlockSource; fill: BlockFill } {
  const code = hmacSha1Hex(config.blobSigningKey, 'keep-edge block entrypoint');
  const isTiered = config.edgeCache === 'tiered';
  const source: BlockSource = {
    mounts,
    last,
    cache: isTiered ? NO_CACHE : cache,
    verifyReads: config.verifyReads,
    digests: createDigestStore(config.blobSigningKey),
    hedging: config.hedgedReads ? createHedging() : null,
    repair: createRepairs(env.REPAIR_QUEUE),
  };
  const entrypoint = () =>
    (exports as unknown as { Block(options: { props: BlockProps }): BlockEntrypoint }).Block({ props: { code } });
  return {
    blocks: isTiered ? { ...source, tier: createBlockTier(entrypoint) } : source,
    fill: { source: { ...source, cache: NO_CACHE }, code },
  };
}

/**
 * Keeps digests of blocks as they are written, where ranges are to be checked: so the first one that is read costs no more than
 * the others. Null where stores vouch for their blocks: the bytes then pass natively.
 */
export function composeWriteDigests({ verifyReads, blobSigningKey }: Config): DigestStore | null {
  return verifyReads === 'attested' ? null : createDigestStore(blobSigningKey);
}

/** Part of the cache's key. */
export interface BlockProps {
  code: string;
}
