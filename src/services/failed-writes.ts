import { createBoundedMap } from '../keep/bounded-map.ts';
import type { ServiceAnswer } from './services-error.ts';

/**
 * Services that failed the last write of a block. The order of services follows from the hash alone: without this a
 * repeat of a write that can be sent only once would begin at the same full or broken service again.
 */
export interface FailedWrites {
  /** Addresses to try last for this block. */
  avoid(hash: string): readonly string[];
  failed(hash: string, answers: readonly ServiceAnswer[]): void;
  stored(hash: string): void;
}

const MAX_BLOCKS = 1000;
const MAX_BYTES = 1024 * 1024;
const MAX_AGE_MS = 600_000;

export function createFailedWrites(): FailedWrites {
  const services = createBoundedMap<readonly string[]>({
    maxEntries: MAX_BLOCKS,
    maxBytes: MAX_BYTES,
    sizeOf: (urls) => 2 * urls.reduce((sum, url) => sum + url.length, 0),
  });
  return {
    avoid: (hash) => services.get(hash) ?? [],
    failed(hash, answers) {
      const own = answers.filter(({ status, mayPass }) => mayPass || status === 507);
      if (own.length > 0)
        services.set(
          hash,
          own.map(({ url }) => url),
          Date.now() + MAX_AGE_MS,
        );
    },
    stored: (hash) => services.delete(hash),
  };
}
