import { createHash } from 'node:crypto';
import { MAX_BLOCK_BYTES } from '../../keep/limits.ts';
import type { PutGoal } from '../../services/copies.ts';
import type { KeepClient } from '../../services/keep-client.ts';
import type { KnownPart } from './checkpoint.ts';
import { createSendLimit } from './send-limit.ts';
import { putCounted, type UploadCounts } from './upload-counts.ts';

export interface StreamOptions {
  stream: AsyncIterable<Uint8Array>;
  keep: KeepClient;
  goal: PutGoal;
  /** Blocks on their way at once, at most. */
  jobs: number;
  signal: AbortSignal;
  counts: UploadCounts;
  /** Told of each stored block: its number in the stream, and its signed locator. */
  onBlock(number: number, part: KnownPart, locator: string): void;
}

/**
 * Cuts a stream into blocks and stores them, at most `jobs` and one more in memory. The stream is read no faster than
 * blocks are stored.
 * @returns its bytes. @throws ServicesError, the stream's error, the signal's reason
 */
export async function storeStream(options: StreamOptions): Promise<number> {
  const { stream, keep, goal, jobs, signal, counts, onBlock } = options;
  const limit = createSendLimit(jobs);
  const stop = new AbortController();
  const either = AbortSignal.any([signal, stop.signal]);
  const spare: Uint8Array<ArrayBuffer>[] = [];
  const running = new Set<Promise<void>>();
  let block = new Uint8Array(0);
  let filled = 0;
  let hash = createHash('md5');
  let number = 0;
  let total = 0;

  const send = async (bytes: Uint8Array<ArrayBuffer>, md5: string, at: number) => {
    let sent: number | null = null;
    try {
      const locator = await putCounted({ keep, goal, signal: either, counts }, md5, bytes);
      sent = bytes.byteLength;
      counts.bytesDone += sent;
      onBlock(at, { block: `${md5}+${sent}`, offset: 0 }, locator);
    } catch (error) {
      stop.abort(error);
      throw error;
    } finally {
      limit.leave(sent);
    }
  };
  const flush = async () => {
    const [bytes, md5, whole] = [block.subarray(0, filled), hash.digest('hex'), block];
    block = new Uint8Array(0);
    filled = 0;
    hash = createHash('md5');
    await limit.enter();
    either.throwIfAborted();
    const sending = send(bytes, md5, number++).finally(() => {
      running.delete(sending);
      spare.push(whole);
    });
    sending.catch(() => undefined);
    running.add(sending);
  };

  try {
    for await (const chunk of stream) {
      either.throwIfAborted();
      total += chunk.byteLength;
      for (let at = 0; at < chunk.byteLength; ) {
        if (block.byteLength === 0) block = spare.pop() ?? new Uint8Array(MAX_BLOCK_BYTES);
        const taken = chunk.subarray(at, at + MAX_BLOCK_BYTES - filled);
        block.set(taken, filled);
        hash.update(taken);
        filled += taken.byteLength;
        at += taken.byteLength;
        if (filled === MAX_BLOCK_BYTES) await flush();
      }
    }
    if (filled > 0) await flush();
    await Promise.all(running);
    return total;
  } catch (error) {
    stop.abort(error);
    await Promise.allSettled(running);
    signal.throwIfAborted();
    throw error;
  }
}
