import type { KeepClient } from '../services/keep-client.ts';
import type { OutgoingBody } from '../services/transport.ts';
import type { BlockSource, StoredCopy } from '../services/write.ts';
import { fanOut, type Sink } from '../streams/fan-out.ts';

/**
 * A block that arrives once and goes on to several services: to those that start together in lockstep, to later ones
 * from a service that has it by then.
 * @param body of known length
 * @param clientAt a client of one service
 */
export function forwardedBody(
  { hash, size, body }: { hash: string; size: number; body: ReadableStream<Uint8Array> },
  clientAt: (service: string) => Pick<KeepClient, 'transfer'>,
  signal: AbortSignal,
): BlockSource {
  let rest: ReadableStream<Uint8Array> | null = body;
  const giveUp = new Map<OutgoingBody, () => void>();

  const split = (source: ReadableStream<Uint8Array>, count: number): OutgoingBody[] => {
    if (count === 1) return [source];
    const pipes = Array.from({ length: count }, () => new FixedLengthStream(size));
    const sinks = pipes.map(({ readable, writable }): Sink => {
      const failure = new Promise<never>((_, reject) =>
        giveUp.set(readable, () => reject(new Error('the service has answered already'))),
      );
      failure.catch(() => undefined);
      return { writable, required: false, failure };
    });
    // Each service tells how it went; a body that breaks off fails them all.
    fanOut(source, sinks).catch(() => undefined);
    return pipes.map(({ readable }) => readable);
  };

  /** The body of a service that has the block, held open until `ended`. */
  const fromCopy = (copy: StoredCopy): Promise<OutgoingBody> =>
    new Promise((resolve, reject) => {
      const pass = (source: ReadableStream<Uint8Array>) =>
        new Promise<void>((ended) => {
          giveUp.set(source, ended);
          resolve(source);
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
      const good = bodies.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
      return good.length === 0 ? null : good;
    },
    ended: (sent) => giveUp.get(sent)?.(),
  };
}
