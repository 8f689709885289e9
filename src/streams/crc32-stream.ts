import type { Pipeable } from './part.ts';
import { pipePieces } from './pipe-pieces.ts';

/** Passes a body on, its checksum computed by the runtime as the bytes go by. */
export function tapCrc32(body: ReadableStream<Uint8Array>, onChecksum: (crc: number) => void): Pipeable {
  const stream = new crypto.DigestStream('crc32');
  const writer = stream.getWriter();
  // An aborted digest rejects; nobody waits for it then.
  stream.digest.catch(() => undefined);
  return pipePieces(body, {
    write: (piece) => writer.write(piece),
    abort: (reason) => writer.abort(reason).catch(() => undefined),
    async end() {
      await writer.close();
      onChecksum(toNumber(await stream.digest));
    },
  });
}

/** CRC-32 of a whole body, moved natively. */
export async function crc32OfStream(body: ReadableStream<Uint8Array>, signal: AbortSignal): Promise<number> {
  const stream = new crypto.DigestStream('crc32');
  stream.digest.catch(() => undefined);
  await body.pipeTo(stream, { signal });
  return toNumber(await stream.digest);
}

function toNumber(digest: ArrayBuffer): number {
  return new DataView(digest).getUint32(0);
}
