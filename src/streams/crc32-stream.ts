import type { Pipeable } from './part.ts';
import { piecesOf } from './pieces.ts';

/** Passes a body on, its checksum computed by the runtime as the bytes go by. */
export function tapCrc32(body: ReadableStream<Uint8Array>, onChecksum: (crc: number) => void): Pipeable {
  return {
    async pipeTo(to, { signal }) {
      const pieces = piecesOf(body);
      const digest = createDigest();
      const writer = to.getWriter();
      const stop = () => void pieces.cancel(signal.reason);
      signal.addEventListener('abort', stop, { once: true });
      try {
        let spent: Uint8Array | undefined;
        for (;;) {
          const piece = await pieces.next(spent);
          signal.throwIfAborted();
          if (piece === null) break;
          await Promise.all([digest.write(piece), writer.write(piece)]);
          spent = piece;
        }
        onChecksum(await digest.end());
      } catch (error) {
        await Promise.all([pieces.cancel(error), digest.abort(error)]);
        throw error;
      } finally {
        signal.removeEventListener('abort', stop);
        writer.releaseLock();
      }
    },
    cancel: (reason) => body.cancel(reason),
  };
}

/** CRC-32 of a whole body, moved natively. */
export async function crc32OfStream(body: ReadableStream<Uint8Array>, signal: AbortSignal): Promise<number> {
  const stream = new crypto.DigestStream('crc32');
  stream.digest.catch(() => undefined);
  await body.pipeTo(stream, { signal });
  return toNumber(await stream.digest);
}

function createDigest() {
  const stream = new crypto.DigestStream('crc32');
  const writer = stream.getWriter();
  // An aborted digest rejects; nobody waits for it then.
  stream.digest.catch(() => undefined);
  return {
    write: (piece: Uint8Array) => writer.write(piece),
    abort: (reason: unknown) => writer.abort(reason).catch(() => undefined),
    async end(): Promise<number> {
      await writer.close();
      return toNumber(await stream.digest);
    },
  };
}

function toNumber(digest: ArrayBuffer): number {
  return new DataView(digest).getUint32(0);
}
