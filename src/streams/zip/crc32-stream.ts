import type { Pipeable } from '../part.ts';
import { type ChunkWatcher, pipeChunks } from '../pipe-chunks.ts';

/** Passes a part on, its checksum computed by the runtime as the bytes go by. */
export function tapCrc32(part: Pipeable, onChecksum: (crc: number) => void): Pipeable {
  const watcher = checksumWatcher(onChecksum);
  if (part instanceof ReadableStream) return pipeChunks(part, watcher);
  return {
    async pipeTo(to, options) {
      const writer = to.getWriter();
      const both = new WritableStream<Uint8Array>({
        write: async (chunk) => {
          await Promise.all([watcher.write(chunk), writer.write(chunk)]);
        },
      });
      try {
        await part.pipeTo(both, options);
        await watcher.end();
      } catch (error) {
        await watcher.abort(error);
        throw error;
      } finally {
        writer.releaseLock();
      }
    },
    cancel: (reason) => part.cancel(reason),
  };
}

/** CRC-32 of a whole part; natively, where it is a native stream. */
export async function crc32OfPart(part: Pipeable, signal: AbortSignal): Promise<number> {
  const stream = new crypto.DigestStream('crc32');
  stream.digest.catch(() => undefined);
  await part.pipeTo(stream, { preventClose: true, signal });
  await stream.getWriter().close();
  return toNumber(await stream.digest);
}

function checksumWatcher(onChecksum: (crc: number) => void): ChunkWatcher {
  const stream = new crypto.DigestStream('crc32');
  const writer = stream.getWriter();
  // An aborted digest rejects unobserved.
  stream.digest.catch(() => undefined);
  return {
    write: (chunk) => writer.write(chunk),
    abort: (reason) => writer.abort(reason).catch(() => undefined),
    async end() {
      await writer.close();
      onChecksum(toNumber(await stream.digest));
    },
  };
}

function toNumber(digest: ArrayBuffer): number {
  return new DataView(digest).getUint32(0);
}
