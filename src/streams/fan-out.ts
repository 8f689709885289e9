import { KeepError } from '../keep/errors.ts';
import { createMd5 } from './md5-stream.ts';
import { type Pieces, piecesOf } from './pieces.ts';

/** One place where the bytes go. */
export interface Sink {
  writable: WritableStream<Uint8Array>;
  /** When a required sink fails, all is broken off; another is just left behind. */
  required: boolean;
  /** Rejects when the far side has failed, even if it never reads again; writes to it are not waited for then. */
  failure?: Promise<never>;
  /** Called once the sink has all bytes and has been closed; never for one that failed or was left behind. */
  onClosed?: () => void;
}

/**
 * Reads `source` once and writes it to all sinks in lockstep: the slowest sets the pace, and one piece is held at a
 * time. With `verify`, the last piece is written only when length and MD5 are the block's; until then no sink has a
 * complete body. Resolves when every sink that did not fail has been closed.
 *
 * @throws KeepError `corrupt` when `verify` fails; the error of a required sink; the last sink's error when none is left
 */
export async function fanOut(
  source: ReadableStream<Uint8Array> | Pieces,
  sinks: Sink[],
  verify?: { hash: string; size: number },
): Promise<void> {
  const pieces = 'next' in source ? source : piecesOf(source);
  const digest = verify === undefined ? null : createMd5();
  let open = sinks.map((sink) => ({ ...sink, writer: sink.writable.getWriter() }));
  let seen = 0;
  const abort = async (reason: unknown) => {
    await Promise.allSettled([
      pieces.cancel(reason),
      digest?.abort(reason),
      ...open.map(({ writer }) => writer.abort(reason)),
    ]);
  };
  /** Hashes the piece that completes the block: the verdict comes before anybody gets it. */
  const check = async (piece: Uint8Array, { hash, size }: { hash: string; size: number }) => {
    await digest?.write(piece);
    if (seen > size || (await digest?.hex()) !== hash) throw new KeepError('corrupt');
  };
  const writeAll = async (act: (writer: WritableStreamDefaultWriter<Uint8Array>) => Promise<void>) => {
    const [only] = open;
    if (open.length === 1 && only?.required && only.failure === undefined) return act(only.writer);
    const results = await Promise.allSettled(
      open.map(({ writer, failure }) => (failure === undefined ? act(writer) : Promise.race([act(writer), failure]))),
    );
    const failed = results.flatMap((result, i) =>
      result.status === 'rejected' ? [{ i, reason: result.reason as unknown }] : [],
    );
    for (const { i, reason } of failed) if (open[i]?.required) throw reason;
    // With nobody left to write to, only a verdict is worth reading on for.
    if (failed.length === open.length && verify === undefined) throw failed[0]?.reason ?? new KeepError('unavailable');
    open = open.filter((_, i) => !failed.some((failure) => failure.i === i));
  };
  try {
    for (let piece = await pieces.next(); piece !== null; piece = await pieces.next(piece)) {
      seen += piece.byteLength;
      const bytes = piece;
      const isCompleting = verify !== undefined && seen >= verify.size;
      if (isCompleting) await check(piece, verify);
      // Every wait is a crossing into native code: hashing and writing share one.
      await Promise.all([isCompleting ? undefined : digest?.write(piece), writeAll((writer) => writer.write(bytes))]);
    }
    if (verify !== undefined && seen !== verify.size) throw new KeepError('corrupt');
    await writeAll((writer) => writer.close());
    for (const { onClosed } of open) onClosed?.();
  } catch (error) {
    await abort(error);
    throw error;
  }
}
