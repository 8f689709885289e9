import { availableParallelism } from 'node:os';
import type { Readable } from 'node:stream';
import { KeepError } from '../../keep/errors.ts';
import { parseLocator } from '../../keep/locator.ts';
import type { KeepClient } from '../../services/keep-client.ts';
import type { BlockChunk, ChunkProblem } from '../block-jobs.ts';
import { createBlockPool } from '../block-pool.ts';
import { nodeStreamOf } from '../node-transport.ts';
import type { BlockUse } from './fetch-plan.ts';
import { isSparse, type ReadRange } from './range-reader.ts';

const MAX_THREADS = 2;
/** More requests than this cost more than the block. */
const MAX_RANGES = 4;

export interface FetchOptions {
  keep: KeepClient;
  blocks: readonly BlockUse[];
  /** Blocks fetched at once. */
  jobs: number;
  signal: AbortSignal;
  /** Reads ranges of a target, for blocks of which little is used; null to fetch whole blocks. */
  readRange: ((target: number, offset: number, length: number, signal: AbortSignal) => ReturnType<ReadRange>) | null;
  /** Path of a target's file while it is written. */
  fileOf(target: number): string;
  /** Bytes received; negative when an attempt ended and its bytes no longer count as under way. */
  onBytes(bytes: number): void;
  /** The block is written; its bytes have been subtracted by onBytes. */
  onBlock(block: BlockUse, fetched: number): void;
  /** The error of a target that cannot be written. It ends everything: other services would not help. */
  fileError(target: number, what: string): Error;
}

/** Fetches blocks, verifies their hash, then writes them into their files. @throws ServicesError, what fileError makes */
export async function fetchBlocks({
  keep,
  blocks,
  jobs,
  signal,
  fileOf,
  onBytes,
  onBlock,
  fileError,
  readRange,
}: FetchOptions): Promise<void> {
  const pool = createBlockPool({
    threads: Math.min(MAX_THREADS, availableParallelism()),
    buffers: jobs + 1,
    bufferBytes: blocks.reduce((most, { size }) => Math.max(most, size), 0),
  });
  const stop = new AbortController();
  const either = AbortSignal.any([signal, stop.signal]);
  const remaining = blocks[Symbol.iterator]();
  const fail = (block: BlockUse, { chunk, what }: ChunkProblem): never => {
    const error = fileError(block.chunks[chunk]?.target ?? 0, what);
    stop.abort(error);
    throw error;
  };
  /** @returns the buffer, back from the worker */
  const writeRanges = async (
    block: BlockUse,
    ranges: readonly Uint8Array[],
    { buffer, chunks }: { buffer: ArrayBuffer; chunks: readonly BlockChunk[] },
  ): Promise<ArrayBuffer> => {
    let size = 0;
    const placed = chunks.map((chunk, index): BlockChunk => {
      const bytes = ranges[index] ?? new Uint8Array(0);
      new Uint8Array(buffer).set(bytes, size);
      size += bytes.byteLength;
      return { ...chunk, from: size - bytes.byteLength };
    });
    const written = await pool.run({ verb: 'write', buffer, size, hash: null, chunks: placed });
    if (written.problem !== null) fail(block, written.problem);
    return written.buffer;
  };
  const lane = async () => {
    for (const block of remaining) {
      either.throwIfAborted();
      const { hash } = parseLocator(block.locator);
      const chunks = block.chunks.map(({ target, ...chunk }): BlockChunk => ({ ...chunk, file: fileOf(target) }));
      let buffer = await pool.takeBuffer();
      try {
        const ranges = readRange === null ? null : await sparseRanges(block, readRange, either);
        if (ranges !== null) {
          buffer = await writeRanges(block, ranges, { buffer, chunks });
          onBlock(
            block,
            ranges.reduce((sum, { byteLength }) => sum + byteLength, 0),
          );
          continue;
        }
        await keep.transfer(
          block.locator,
          async (body, announced) => {
            let come = 0;
            const onChunk = (bytes: number) => {
              come += bytes;
              onBytes(bytes);
            };
            try {
              const size = await fill(new Uint8Array(buffer), body, Math.min(announced, block.size), onChunk);
              const written = await pool.run({ verb: 'write', buffer, size, hash, chunks });
              buffer = written.buffer;
              if (written.problem !== null) fail(block, written.problem);
              if (!written.intact) throw new KeepError('corrupt', { message: 'checksum mismatch' });
            } finally {
              onBytes(-come);
            }
          },
          { signal: either },
        );
      } finally {
        pool.giveBuffer(buffer);
      }
      onBlock(block, block.size);
    }
  };
  const lanes = Array.from({ length: jobs }, () =>
    lane().catch((error: unknown) => {
      stop.abort(error);
      throw error;
    }),
  );
  try {
    await Promise.allSettled(lanes);
    signal.throwIfAborted();
    if (stop.signal.aborted) throw stop.signal.reason;
  } finally {
    await pool.close();
  }
}

/** What the files use of a block, chunk by chunk; null when the whole block is the better way. */
async function sparseRanges(
  { chunks, size }: BlockUse,
  readRange: NonNullable<FetchOptions['readRange']>,
  signal: AbortSignal,
): Promise<Uint8Array[] | null> {
  const used = chunks.reduce((sum, { length }) => sum + length, 0);
  if (chunks.length > MAX_RANGES || !isSparse(used, size)) return null;
  const ranges: Uint8Array[] = [];
  for (const { target, offset, length } of chunks) {
    const range = await readRange(target, offset, length, signal);
    if (range === null) return null;
    ranges.push(range);
  }
  return ranges;
}

/** @throws KeepError corrupt when the body has more or fewer bytes */
async function fill(
  target: Uint8Array,
  body: ReadableStream<Uint8Array>,
  size: number,
  onChunk: (bytes: number) => void,
): Promise<number> {
  let length = 0;
  const take = (chunk: Uint8Array) => {
    if (length + chunk.byteLength > size) throw new KeepError('corrupt', { message: 'more data than the block has' });
    target.set(chunk, length);
    length += chunk.byteLength;
    onChunk(chunk.byteLength);
  };
  const stream = nodeStreamOf(body);
  if (stream === null) for await (const chunk of body) take(chunk);
  else await drain(stream, take);
  if (length !== size) throw new KeepError('corrupt', { message: `${length} bytes instead of ${size}` });
  return length;
}

function drain(stream: Readable, take: (chunk: Uint8Array) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.on('data', (chunk: Uint8Array) => {
      try {
        take(chunk);
      } catch (error) {
        stream.destroy();
        reject(error);
      }
    });
    stream.on('error', reject).on('end', resolve);
    stream.on('close', () => reject(new Error('the connection broke off')));
  });
}
