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
}

/**
 * A block that arrives once and goes on to several services: to those that start together in lockstep, to later ones
 * from a service that has stored it. A service that reads too slowly is noticed even while others wait for it.
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

  const split = (source: ReadableStream<Uint8Array>, count: number): OutgoingBody[] => {
    const pipes = Array.from({ length: count }, () => new FixedLengthStream(size));
    const sinks = pipes.map(({ readable, writable }): Sink => {
      const branch: Branch = { watch: null, leave: () => undefined };
      branches.set(readable, branch);
      const failure = new Promise<never>((_, reject) => {
        branch.leave = () => reject(new Error('the service has answered already'));
      });
      failure.catch(() => undefined);
      return { writable: watched(writable, branch), required: false, failure };
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
          const [out] = split(source, 1);
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
        return split(source, count);
      }
      if (copy === null) return null;
      const bodies = await Promise.allSettled(Array.from({ length: count }, () => fromCopy(copy)));
      return bodies.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
    },
    watch(sent, watch) {
      const branch = branches.get(sent);
      watch.pause();
      if (branch !== undefined) branch.watch = watch;
    },
    ended: (sent) => branches.get(sent)?.leave(),
  };
}

/** Only time in which this service does not read available bytes counts against it. */
function watched(writable: WritableStream<Uint8Array>, branch: Branch): WritableStream<Uint8Array> {
  const writer = writable.getWriter();
  return new WritableStream<Uint8Array>({
    async write(chunk) {
      branch.watch?.resume();
      await writer.write(chunk);
      branch.watch?.progress(chunk.byteLength);
      branch.watch?.pause();
    },
    async close() {
      branch.watch?.resume();
      await writer.close();
    },
    abort: (reason) => writer.abort(reason),
  });
}
