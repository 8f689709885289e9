import { KeepError } from '../keep/errors.ts';
import { type Chunks, chunksOf } from '../streams/chunks.ts';
import type { Sink } from '../streams/fan-out.ts';
import { hexOf } from '../streams/md5-stream.ts';
import { pacedBody } from '../streams/paced-body.ts';
import { SMALL_BLOCK_BYTES, verifiedBytes, verifiedChunks } from '../streams/verify.ts';
import type { CheckBody } from './checked-body.ts';
import type { ClientPlatform } from './keep-client.ts';
import type { TransferWatch } from './transfer-limits.ts';
import { fetchTransport } from './transport.ts';

/** Takes verified blocks that pass through: the edge cache. */
export interface BlockKeeper {
  put(hash: string, bytes: Uint8Array): void;
  fill(hash: string, size: number): Sink | null;
}

/** The Keep client's platform on Workers. Native code moves the bytes; script only counts and hashes chunks. */
export function createWorkerPlatform(keeper: BlockKeeper | null): ClientPlatform {
  return {
    transport: fetchTransport,
    checkBody: checkBody(keeper),
    md5: async (bytes) => hexOf(await crypto.subtle.digest('MD5', bytes)),
  };
}

const checkBody =
  (keeper: BlockKeeper | null): CheckBody =>
  async (body, { hash, size }, watch) => {
    const chunks = watched(chunksOf(body, SMALL_BLOCK_BYTES), watch);
    try {
      if (size === null) throw new KeepError('corrupt', { message: 'of unknown length' });
      if (size <= SMALL_BLOCK_BYTES) {
        const bytes = await verifiedBytes(chunks, { hash, size });
        watch.stop();
        keeper?.put(hash, bytes);
        return { body: new Response(bytes).body ?? new ReadableStream() };
      }
      // A service that hangs after its headers, or trickles, may still be left for the next one.
      const first = await chunks.next();
      const copy = keeper?.fill(hash, size) ?? null;
      // The transfer's own signal ends `chunks`.
      const checked = pacedBody(verifiedChunks(putBack(first, chunks), { hash, size }, [copy]), size, undefined);
      checked.done.finally(watch.stop).catch(() => undefined);
      return checked;
    } catch (error) {
      watch.stop();
      await chunks.cancel(error);
      throw error;
    }
  };

/** Only time spent waiting for the server counts. */
function watched(chunks: Chunks, watch: TransferWatch): Chunks {
  return {
    ...chunks,
    async next(spent, bytes) {
      watch.resume();
      const chunk = await chunks.next(spent, bytes);
      watch.pause();
      watch.progress(chunk?.byteLength ?? 0);
      return chunk;
    },
  };
}

function putBack(chunk: Uint8Array | null, chunks: Chunks): Chunks {
  let first: Uint8Array | null | undefined = chunk;
  return {
    ...chunks,
    async next(spent, bytes) {
      if (first === undefined) return chunks.next(spent, bytes);
      const taken = first;
      first = undefined;
      return taken;
    },
  };
}
