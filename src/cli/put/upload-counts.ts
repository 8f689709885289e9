import type { PutGoal } from '../../services/copies.ts';
import type { KeepClient } from '../../services/keep-client.ts';
import { sourceOfBytes } from '../../services/put-block.ts';

/** What an upload has done so far. It changes while the upload runs. */
export interface UploadCounts {
  /** Bytes of the finished blocks, sent or skipped. */
  bytesDone: number;
  /** Bytes sent of blocks that are not acknowledged yet. */
  bytesUnderWay: number;
  /** Bytes sent, repeated attempts included. */
  bytesMoved: number;
  /** Bytes of the blocks that were sent and acknowledged. */
  bytesSent: number;
  blocksSent: number;
  /** Blocks that the service had already, and duplicates within this upload. */
  blocksSkipped: number;
  /** Files of which every part is stored. */
  filesDone: number;
}

export function startCounts(filesDone = 0): UploadCounts {
  return {
    bytesDone: 0,
    bytesUnderWay: 0,
    bytesMoved: 0,
    bytesSent: 0,
    blocksSent: 0,
    blocksSkipped: 0,
    filesDone,
  };
}

/**
 * Stores one block and counts its bytes as they leave.
 * @param md5 of `bytes`, in hex
 * @returns its signed locator. @throws ServicesError, the signal's reason
 */
export async function putCounted(
  { keep, goal, signal, counts }: { keep: KeepClient; goal: PutGoal; signal: AbortSignal; counts: UploadCounts },
  md5: string,
  bytes: Uint8Array<ArrayBuffer>,
): Promise<string> {
  let left = 0;
  const onSent = (count: number) => {
    counts.bytesMoved += count;
    // The bar counts each byte once, however many copies and attempts there are.
    const more = Math.min(count, bytes.byteLength - left);
    left += more;
    counts.bytesUnderWay += more;
  };
  try {
    const { locator } = await keep.put(sourceOfBytes(md5, bytes, onSent), { ...goal, signal });
    counts.blocksSent++;
    counts.bytesSent += bytes.byteLength;
    return locator;
  } finally {
    counts.bytesUnderWay -= left;
  }
}
