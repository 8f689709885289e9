import { KeepError } from '../keep/errors.ts';
import { MAX_BLOCK_BYTES } from '../keep/limits.ts';
import type { TransferWatch } from './transfer-limits.ts';

/** What a body is checked against. */
export interface ExpectedBlock {
  hash: string;
  /** Bytes; null when unknown. */
  size: number | null;
}

/** A body that is being checked as it is read. */
export interface CheckedBody {
  body: ReadableStream<Uint8Array>;
  /** See PumpedBody; undefined where script does not keep the body moving. */
  done?: Promise<void>;
}

/**
 * Hands a body on as it arrives, and never completes one with another hash or length. Resolves when the first bytes
 * may be given out. Cancels the body and stops the watch on every path.
 * @throws KeepError corrupt when that is known before the first byte, which is always so for small blocks
 */
export type CheckBody = (
  body: ReadableStream<Uint8Array>,
  expected: ExpectedBlock,
  watch: TransferWatch,
) => Promise<CheckedBody>;

/** The whole body as one buffer, unchecked but for its length. @throws KeepError corrupt for a wrong or impossible length */
export async function readBlock(
  body: ReadableStream<Uint8Array>,
  size: number | null,
  watch: TransferWatch,
): Promise<Uint8Array<ArrayBuffer>> {
  const block = new Uint8Array(size ?? MAX_BLOCK_BYTES);
  let length = 0;
  const reader = body.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      watch.progress(value.byteLength);
      if (length + value.byteLength > block.byteLength)
        throw new KeepError('corrupt', { message: 'more data than the block has' });
      block.set(value, length);
      length += value.byteLength;
    }
  } catch (error) {
    await reader.cancel().catch(() => undefined);
    throw error;
  } finally {
    watch.stop();
  }
  if (size !== null && length !== size)
    throw new KeepError('corrupt', { message: `${length} bytes instead of ${size}` });
  return length === block.byteLength ? block : block.slice(0, length);
}
