import { KeepError } from '../keep/errors.ts';
import type { ClientContext } from './client-context.ts';
import { addStored, missingClasses, missingCopies, NOTHING_STORED, type PutGoal, type PutProgress } from './copies.ts';
import { exchange, failure, readLocator, refusal } from './exchange.ts';
import { areDisks, type KeepService } from './keep-service.ts';
import { writeOrder } from './probe-order.ts';
import { inRounds, type Round } from './rounds.ts';
import { type ServiceAnswer, writeError } from './services-error.ts';
import { limitsBySize, type TransferWatch } from './transfer-limits.ts';
import type { OutgoingBody } from './transport.ts';

/** A copy that a service has confirmed. */
export interface StoredCopy {
  service: string;
  locator: string;
}

export interface BlockSource {
  hash: string;
  size: number;
  /**
   * Bodies for `count` requests that start together, each to be sent once. `copy` is one that is stored already: where
   * a source that can be read only once may get the bytes again. Null when there is nothing left to send.
   */
  open(count: number, copy: StoredCopy | null): Promise<OutgoingBody[] | null>;
  /** Where the source sees how fast a body leaves: it tells this watch, from when the exchange begins. */
  watch?(body: OutgoingBody, watch: TransferWatch): void;
  /** Called with bytes of every copy as they are sent, where the platform shows them. */
  onSent?: ((bytes: number) => void) | undefined;
  /** The exchange that this body went into has ended, well or not: it is not read any more. */
  ended?(body: OutgoingBody): void;
}

export interface PutResult extends PutProgress {
  /** The locator from the service, signed for our token. */
  locator: string;
}

/** A body in memory can be sent as often as needed. */
export function sourceOfBytes(
  hash: string,
  bytes: Uint8Array<ArrayBuffer>,
  onSent?: (bytes: number) => void,
): BlockSource {
  const open = async (count: number) => new Array<OutgoingBody>(count).fill(bytes);
  return { hash, size: bytes.byteLength, open, onSent };
}

type Outcome =
  | { service: KeepService; locator: string; headers: Headers }
  | { service: KeepService; answer: ServiceAnswer };

/** Stores a block in as many copies, of each storage class, as wanted. @throws ServicesError unavailable, full */
export async function storeBlock(
  context: ClientContext,
  source: BlockSource,
  goal: PutGoal,
  signal: AbortSignal | undefined,
): Promise<PutResult> {
  let progress = NOTHING_STORED;
  let copy: StoredCopy | null = null;
  const storedAt = new Set<string>();
  const over = new AbortController();
  const transferSignal = signal === undefined ? over.signal : AbortSignal.any([signal, over.signal]);

  const seesProgress = context.transport.showsProgress || source.watch !== undefined;
  const send = async (service: KeepService, body: OutgoingBody, round: Round): Promise<Outcome> => {
    try {
      const answer = await exchange(
        context.transport,
        {
          method: 'PUT',
          url: `${service.url}/${source.hash}`,
          headers: { ...context.headers(context.token), ...goalHeaders(progress, goal) },
          body,
          size: source.size,
          onSent: source.onSent,
          connectTimeoutMs: context.connectTimeoutMs(round),
        },
        seesProgress ? context.limits : limitsBySize(context.limits, source.size),
        transferSignal,
        (watch) => source.watch?.(body, watch),
      );
      if (!answer.response.ok) return { service, answer: await refusal(service.url, answer) };
      const locator = await readLocator(answer);
      if (!locator.startsWith(source.hash)) throw new KeepError('corrupt', { message: 'confirmed another block' });
      return { service, locator, headers: answer.response.headers };
    } catch (error) {
      return { service, answer: failure(service.url, error) };
    } finally {
      source.ended?.(body);
    }
  };

  const pass = async (round: Round): Promise<PutResult | null> => {
    const candidates = writeOrder(source.hash, round.services);
    const copiesPerService = areDisks(candidates) ? 1 : null;
    const open = candidates.filter(({ url }) => !storedAt.has(url) && round.isOpen(url));
    const running = new Map<KeepService, Promise<Outcome>>();
    for (;;) {
      const missing = missingCopies(progress, goal);
      if (missing === 0 && copy !== null) return { ...progress, locator: copy.locator };
      const useful = copiesPerService === null ? 1 : Math.ceil(Math.max(1, missing) / copiesPerService);
      const starting = open.splice(0, Math.max(0, useful - running.size));
      if (starting.length > 0) {
        const bodies = (await source.open(starting.length, copy)) ?? [];
        for (const [index, body] of bodies.entries()) {
          const service = starting[index];
          if (service !== undefined) running.set(service, send(service, body, round));
        }
        open.unshift(...starting.slice(bodies.length));
        // A source that is spent has nothing to send, unless an upload that still runs becomes a copy to send from.
        if (running.size === 0) round.giveUp();
      }
      if (running.size === 0) return null;
      const outcome = await Promise.race(running.values());
      signal?.throwIfAborted();
      running.delete(outcome.service);
      if ('answer' in outcome) {
        round.note(outcome.answer);
      } else {
        storedAt.add(outcome.service.url);
        copy ??= { service: outcome.service.url, locator: outcome.locator };
        progress = addStored(progress, outcome.headers);
      }
    }
  };

  try {
    return await inRounds({ ...context, signal }, pass, (answers) =>
      writeError(answers, wanted(goal), progress.replicas),
    );
  } finally {
    // Uploads that still run are surplus copies.
    over.abort(new Error('no longer needed'));
  }
}

function goalHeaders(progress: PutProgress, goal: PutGoal): Record<string, string> {
  const classes = missingClasses(progress, goal);
  return {
    'Content-Type': 'application/octet-stream',
    'X-Keep-Desired-Replicas': String(goal.replicas),
    ...(classes.length === 0 ? {} : { 'X-Keep-Storage-Classes': classes.join(', ') }),
  };
}

function wanted({ replicas, storageClasses }: PutGoal): string {
  const copies = replicas === 1 ? '1 copy' : `${replicas} copies`;
  return storageClasses.length === 0 ? copies : `${copies} in ${storageClasses.join(', ')}`;
}
