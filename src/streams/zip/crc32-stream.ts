import type { Pipeable } from '../part.ts';
import { type ChunkWatcher, pipeChunks } from '../pipe-chunks.ts';
import type { SegmentReader } from '../segment-reader.ts';
import { crc32 } from './crc32.ts';

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

/** Above this length the runtime's own digest is faster, its crossings included. */
const NATIVE_BYTES = 32 * 1024;

/** CRC-32 of bytes at hand. */
export async function crc32OfBytes(bytes: Uint8Array): Promise<number> {
  if (bytes.byteLength <= NATIVE_BYTES) return crc32(bytes);
  const stream = new crypto.DigestStream('crc32');
  const writer = stream.getWriter();
  await writer.write(bytes);
  await writer.close();
  return toNumber(await stream.digest);
}

/** CRC-32 of the next `length` bytes of a body. */
export async function crc32OfNext(reader: SegmentReader, length: number): Promise<number> {
  if (length <= NATIVE_BYTES) return crc32(await reader.take(length));
  const stream = new crypto.DigestStream('crc32');
  stream.digest.catch(() => undefined);
  const writer = stream.getWriter();
  for (let left = length; left > 0; ) {
    const bytes = await reader.some(left);
    left -= bytes.byteLength;
    await writer.write(bytes);
  }
  await writer.close();
  return toNumber(await stream.digest);
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
