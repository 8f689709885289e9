import { KeepError } from '../keep/errors.ts';
import type { GatewayBucket, Opened } from './bucket.ts';

/** R2's error code for a range that lies outside the object. */
const R2_BAD_RANGE = '(10039)';

export function createR2GatewayBucket(bucket: R2Bucket): GatewayBucket {
  return {
    async list(prefix, cursor) {
      const page = await bucket.list({ prefix, ...(cursor === null ? {} : { cursor }) }).catch(unavailable);
      const objects = page.objects.map(({ key, size, etag }) => ({ key, size, etag }));
      return { objects, next: page.truncated ? page.cursor : null };
    },

    obstacle: () => null,

    async stat(key) {
      const found = await bucket.head(key).catch(unavailable);
      if (found === null) return null;
      return { size: found.size, etag: found.etag, md5: found.checksums.toJSON().md5 ?? null };
    },

    async open(key, { etag, offset, length }, signal): Promise<Opened> {
      const options = { range: { offset, length }, onlyIf: { etagMatches: etag } };
      const found = await bucket.get(key, options).catch((error: unknown) => {
        // A shorter object took its place.
        if (error instanceof Error && error.message.includes(R2_BAD_RANGE)) return 'changed' as const;
        return unavailable(error);
      });
      if (found === null) return { state: 'gone' };
      if (found === 'changed' || !('body' in found)) return { state: 'changed' };
      if (signal?.aborted) {
        await found.body.cancel();
        throw new KeepError('client_gone');
      }
      return { state: 'open', body: found.body };
    },
  };
}

function unavailable(cause: unknown): never {
  throw new KeepError('unavailable', { cause });
}
