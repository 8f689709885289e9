import { KeepError } from '../keep/errors.ts';
import { blockBodies, fitChunk } from './body-budgets.ts';
import { CHUNK_BYTES, chunksOf } from './chunks.ts';

/** One receiver of the bytes. */
export interface Sink {
  writable: WritableStream<Uint8Array>;
  /** The failure of a required sink breaks all off; any other sink is just dropped. */
  required: boolean;
  /** Rejects when the receiver has failed, even if it never reads again; its writes are not awaited then. */
  failure?: Promise<never>;
  /** One that takes longer than this over a chunk counts as failed. Default: it is waited for. */
  patienceMs?: number;
  /** Called once the sink has all bytes and has been closed; never for one that failed or was left behind. */
  onClosed?: () => void;
}

/**
 * Reads `source` once and writes it to all sinks in lockstep: the slowest sets the pace, and one chunk is held at a
 * time, a smaller one while many bodies are under way. Resolves when every sink that did not fail has been closed.
 *
 * @throws the error of a required sink; the last sink's error when none is left
 */
export async function fanOut(source: ReadableStream<Uint8Array>, sinks: Sink[]): Promise<void> {
  const chunks = chunksOf(source);
  const all = inLockstep(sinks);
  const someIsLeft = (failures: unknown[]) => {
    if (all.count() === 0) throw failures[0] ?? new KeepError('unavailable');
  };
  const held = blockBodies.reserve();
  const bytes = fitChunk(held, CHUNK_BYTES);
  try {
    for (let chunk = await chunks.next(undefined, bytes); chunk !== null; chunk = await chunks.next(chunk, bytes))
      someIsLeft(await all.write(chunk));
    someIsLeft(await all.close());
  } catch (error) {
    await Promise.all([chunks.cancel(error), all.abort(error)]);
    throw error;
  } finally {
    held.release();
  }
}

/** Several sinks as one that is as slow as the slowest. */
export interface Lockstep {
  /**
   * Resolves when every sink has taken the chunk.
   * @returns why sinks were left behind at it
   * @throws the error of a required sink
   */
  write(chunk: Uint8Array): Promise<unknown[]>;
  /** Closes all; `onClosed` is called for each that is. Returns and throws as `write`. */
  close(): Promise<unknown[]>;
  abort(reason: unknown): Promise<void>;
  /** How many have not been left behind. */
  count(): number;
}

/** A sink that is left behind is aborted. */
export function inLockstep(sinks: Sink[]): Lockstep {
  let open = sinks.map((sink) => ({ ...sink, writer: sink.writable.getWriter() }));
  const forAll = async (
    act: (writer: WritableStreamDefaultWriter<Uint8Array>) => Promise<void>,
  ): Promise<unknown[]> => {
    const results = await Promise.allSettled(
      open.map(({ writer, failure, patienceMs }) => {
        const acted = failure === undefined ? act(writer) : Promise.race([act(writer), failure]);
        return patienceMs === undefined ? acted : within(acted, patienceMs);
      }),
    );
    const failed = results.flatMap((result, i) =>
      result.status === 'rejected' ? [{ i, reason: result.reason as unknown }] : [],
    );
    for (const { i, reason } of failed) {
      if (open[i]?.required) throw reason;
      void open[i]?.writer.abort(reason).catch(() => undefined);
    }
    open = open.filter((_, i) => !failed.some((failure) => failure.i === i));
    return failed.map(({ reason }) => reason);
  };
  return {
    write: (chunk) => forAll((writer) => writer.write(chunk)),
    async close() {
      const failures = await forAll((writer) => writer.close());
      for (const { onClosed } of open) onClosed?.();
      return failures;
    },
    async abort(reason) {
      await Promise.allSettled(open.map(({ writer }) => writer.abort(reason)));
    },
    count: () => open.length,
  };
}

async function within(work: Promise<void>, milliseconds: number): Promise<void> {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new KeepError('unavailable')), milliseconds);
  try {
    await Promise.race([work, promise]);
  } finally {
    clearTimeout(timer);
  }
}
