import { crc32 } from 'node:zlib';
import type { Pipeable } from '../part.ts';
import { pipeChunks } from '../pipe-chunks.ts';
import type { SegmentReader } from '../segment-reader.ts';

/** Passes a part on, its checksum computed as the bytes go by. */
export function tapCrc32(part: Pipeable, onChecksum: (crc: number) => void): Pipeable {
  let crc = 0;
  const note = (chunk: Uint8Array) => {
    crc = crc32(chunk, crc);
  };
  const end = () => onChecksum(crc);
  if (part instanceof ReadableStream) return pipeChunks(part, { note, end });
  return {
    async pipeTo(to, options) {
      const writer = to.getWriter();
      const noted = new WritableStream<Uint8Array>({
        write(chunk) {
          note(chunk);
          return writer.write(chunk);
        },
      });
      try {
        await part.pipeTo(noted, options);
        end();
      } finally {
        writer.releaseLock();
      }
    },
    cancel: (reason) => part.cancel(reason),
  };
}

/** CRC-32 of the next `length` bytes of a body. */
export async function crc32OfNext(reader: SegmentReader, length: number): Promise<number> {
  let crc = 0;
  for (let left = length; left > 0; ) {
    const bytes = await reader.some(left);
    left -= bytes.byteLength;
    crc = crc32(bytes, crc);
  }
  return crc;
}

/** CRC-32 of a whole part; natively, where it is a native stream. */
export async function crc32OfPart(part: Pipeable, signal: AbortSignal): Promise<number> {
  const stream = new crypto.DigestStream('crc32');
  stream.digest.catch(() => undefined);
  await part.pipeTo(stream, { preventClose: true, signal });
  await stream.getWriter().close();
  return new DataView(await stream.digest).getUint32(0);
}
