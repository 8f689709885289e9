import { KeepError } from '../../keep/errors.ts';
import { type BlockSource, sourceOfBytes } from '../../services/put-block.ts';
import { createHeldBudget, isolateMemory } from '../../streams/held-budget.ts';
import { hexOf } from '../../streams/md5-stream.ts';

/** A body that is held in memory until `release`. */
export interface BufferedBody {
  source: BlockSource;
  release(): void;
}

const MAX_BODY_BYTES = 1024 * 1024;
/** For all requests of an isolate together, which has 128 MB. */
const budget = createHeldBudget(16 * 1024 * 1024, isolateMemory);

/**
 * A small block in memory, so that it can be sent to service after service. Null, with the body untouched, when it is
 * large or when other requests hold too much.
 *
 * @throws KeepError bad_gateway for a body that is not the block, client_gone when it breaks off
 */
export async function bufferedBody({
  hash,
  size,
  body,
}: {
  hash: string;
  size: number;
  body: ReadableStream<Uint8Array>;
}): Promise<BufferedBody | null> {
  const held = budget.reserve();
  if (size > MAX_BODY_BYTES || size > held.available()) return null;
  held.set(size);
  const release = () => held.release();
  try {
    const buffer = await new Response(body).arrayBuffer().catch((cause: unknown) => {
      throw new KeepError('client_gone', { cause });
    });
    const bytes = new Uint8Array(buffer);
    if (bytes.byteLength !== size || hexOf(await crypto.subtle.digest('MD5', bytes)) !== hash) {
      throw new KeepError('bad_gateway', {
        message: 'the body is not the block that the request names',
        headers: { 'X-Keep-Replicas-Stored': '0' },
      });
    }
    return { source: sourceOfBytes(hash, bytes), release };
  } catch (error) {
    release();
    throw error;
  }
}
