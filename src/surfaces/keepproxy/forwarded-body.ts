import type { KeepClient } from '../../services/keep-client.ts';
import type { BlockSource, StoredCopy } from '../../services/put-block.ts';
import type { TransferWatch } from '../../services/transfer-limits.ts';
import type { OutgoingBody } from '../../services/transport.ts';
import { fanOut, type Sink } from '../../streams/fan-out.ts';

/** The body on its way to one service. */
interface Branch {
  watch: TransferWatch | null;
  /** Drops this branch, so that the others go on. */
  leave(): void;
  /** Settles when the last chunk may go out, with false when it never will; null: at once. */
  mayEnd: Promise<boolean> | null;
}

/**
 * A block that arrives once and goes on to several services: to those that start together in lockstep, to later ones
 * from a service that has stored it. One that starts alone gets a reserve beside it: a service that receives all but the
 * last chunk, and that too when the first one fails. A service that reads too slowly is noticed even while others wait
 * for it.
 * @param body of known length
 * @param clientAt a client of one service
 */
export function forwardedBody(
  { hash, size, body }: { hash: string; size: number; body: ReadableStream<Uint8Array> },
  clientAt: (service: string) => Pick<KeepClient, 'transfer'>,
  signal: AbortSignal,
): BlockSource {
  let rest: ReadableStream<Uint8Array> | null = body;
  const branches = new Map<OutgoingBody, Branch>();

  const split = (source: ReadableStream<Uint8Array>, gates: (Promise<boolean> | null)[]): OutgoingBody[] => {
    const pipes = gates.map((mayEnd) => ({ ...streamOf(size), mayEnd }));
    const sinks = pipes.map(({ readable, writable, mayEnd }): Sink => {
      const branch: Branch = { watch: null, leave: () => undefined, mayEnd };
      branches.set(readable, branch);
      const failure = new Promise<never>((_, reject) => {
        branch.leave = () => reject(new Error('the service has answered already'));
      });
      failure.catch(() => undefined);
      return { writable: watched(writable, branch, size), required: false, failure };
    });
    // Each exchange reports its own failure; a body that breaks off fails them all.
    fanOut(source, sinks).catch(() => undefined);
    return pipes.map(({ readable }) => readable);
  };

  /** The bytes from a service that has the block; that read stays open until the upload they go into has ended. */
  const fromCopy = (copy: StoredCopy): Promise<OutgoingBody> =>
    new Promise((resolve, reject) => {
      const pass = (source: ReadableStream<Uint8Array>) =>
        new Promise<void>((ended) => {
          const [out] = split(source, [null]);
          const branch = out === undefined ? undefined : branches.get(out);
          if (out === undefined || branch === undefined) return ended();
          const { leave } = branch;
          branch.leave = () => {
            leave();
            ended();
          };
          resolve(out);
        });
      clientAt(copy.service).transfer(copy.locator, pass, { signal }).catch(reject);
    });

  return {
    hash,
    size,
    async open(count, copy) {
      if (rest !== null) {
        const source = rest;
        rest = null;
        return split(source, Array<null>(count).fill(null));
      }
      if (copy === null) return null;
      const bodies = await Promise.allSettled(Array.from({ length: count }, () => fromCopy(copy)));
      return bodies.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
    },
    openWithReserve() {
      if (rest === null) return null;
      const source = rest;
      rest = null;
      const gate = Promise.withResolvers<boolean>();
      const [body, reserve] = split(source, [null, gate.promise]);
      const branch = reserve === undefined ? undefined : branches.get(reserve);
      if (body === undefined || reserve === undefined || branch === undefined) return null;
      const { leave } = branch;
      branch.leave = () => {
        gate.resolve(false);
        leave();
      };
      return { body, reserve, release: () => gate.resolve(true) };
    },
    watch(sent, watch) {
      const branch = branches.get(sent);
      watch.pause();
      if (branch !== undefined) branch.watch = watch;
    },
    ended: (sent) => branches.get(sent)?.leave(),
  };
}

function streamOf(size: number): { readable: ReadableStream<Uint8Array>; writable: WritableStream<Uint8Array> } {
  const { readable, writable } = new FixedLengthStream(size);
  return { readable, writable };
}

/** Only time in which this service does not read available bytes counts against it. */
function watched(writable: WritableStream<Uint8Array>, branch: Branch, size: number): WritableStream<Uint8Array> {
  const writer = writable.getWriter();
  let position = 0;
  let last: Uint8Array | null = null;
  const write = async (chunk: Uint8Array) => {
    branch.watch?.resume();
    await writer.write(chunk);
    branch.watch?.progress(chunk.byteLength);
    branch.watch?.pause();
  };
  return new WritableStream<Uint8Array>({
    async write(chunk) {
      position += chunk.byteLength;
      // Copied, because the chunk's memory is reused.
      if (branch.mayEnd !== null && position >= size) last = chunk.slice();
      else await write(chunk);
    },
    async close() {
      if (last !== null) {
        if (!(await branch.mayEnd)) return writer.abort(new Error('not needed'));
        await write(last);
      }
      branch.watch?.resume();
      await writer.close();
    },
    abort: (reason) => writer.abort(reason),
  });
}
