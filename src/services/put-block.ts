import { KeepError } from '../keep/errors.ts';
import { parseLocator } from '../keep/locator.ts';
import type { ClientContext } from './client-context.ts';
import { addStored, missingClasses, missingCopies, NOTHING_STORED, type PutGoal, type PutProgress } from './copies.ts';
import { exchange, failure, readLocator, refusal } from './exchange.ts';
import { areDisks, type KeepService } from './keep-service.ts';
import { writeOrder } from './probe-order.ts';
import { inRounds, type Round } from './rounds.ts';
import { type ServiceAnswer, ServicesError, writeError } from './services-error.ts';
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
  /**
   * For a source that can be read only once: a body for one request, and a reserve for a second one that starts with
   * it. The reserve's last bytes are held back until `release`, so that the second service stores nothing unless the
   * first fails. Null when there is nothing left to send.
   */
  openWithReserve?(): { body: OutgoingBody; reserve: OutgoingBody; release(): void } | null;
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
  const send = async (service: KeepService, body: OutgoingBody, connectTimeoutMs: number): Promise<Outcome> => {
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
          connectTimeoutMs,
        },
        seesProgress ? context.limits : limitsBySize(context.limits, source.size),
        transferSignal,
        (watch) => source.watch?.(body, watch),
      );
      if (!answer.response.ok) return { service, answer: await refusal(service.url, answer, context.retry) };
      const locator = await readLocator(answer);
      if (!names(locator, source)) throw new KeepError('corrupt', { message: 'confirmed another block' });
      return { service, locator, headers: answer.response.headers };
    } catch (error) {
      return { service, answer: failure(service.url, error) };
    } finally {
      source.ended?.(body);
    }
  };

  const writable = (services: readonly KeepService[]) => {
    const order = writeOrder(source.hash, services);
    const avoided = context.failedWrites?.avoid(source.hash) ?? [];
    const later = order.filter(({ url }) => avoided.includes(url));
    return [...order.filter((service) => !later.includes(service)), ...later];
  };

  const run = async (round: Round<KeepService>): Promise<PutResult | null> => {
    const candidates = writable(round.services);
    const copiesPerService = areDisks(candidates) ? 1 : null;
    const timeoutMs = context.connectTimeoutMs({ number: round.number, services: candidates });
    const open = [...round.targets];
    const running = new Map<KeepService, Promise<Outcome>>();
    /** Runs, but stores nothing until it is released. */
    let reserve: { service: KeepService; release(): void } | null = null;
    const start = (service: KeepService | undefined, body: OutgoingBody) => {
      if (service !== undefined) running.set(service, send(service, body, timeoutMs));
    };
    for (;;) {
      const missing = missingCopies(progress, goal);
      if (missing === 0 && copy !== null) return { ...progress, locator: copy.locator };
      const useful = copiesPerService === null ? 1 : Math.ceil(Math.max(1, missing) / copiesPerService);
      if (reserve !== null && running.size <= useful) {
        reserve.release();
        reserve = null;
      }
      const starting = open.splice(0, Math.max(0, useful - running.size));
      const mayFailAlone = starting.length === 1 && running.size === 0 && copy === null && open.length > 0;
      const pair = mayFailAlone ? (source.openWithReserve?.() ?? null) : null;
      const second = pair === null ? undefined : open.shift();
      if (pair !== null && second !== undefined) {
        start(starting[0], pair.body);
        start(second, pair.reserve);
        reserve = { service: second, release: pair.release };
      } else if (starting.length > 0) {
        const bodies = (await source.open(starting.length, copy)) ?? [];
        for (const [index, body] of bodies.entries()) start(starting[index], body);
        open.unshift(...starting.slice(bodies.length));
        // A source that is spent has nothing to send, unless an upload that still runs becomes a copy to send from.
        if (running.size === 0) round.giveUp();
      }
      if (running.size === 0) return null;
      const outcome = await Promise.race(running.values());
      signal?.throwIfAborted();
      running.delete(outcome.service);
      if (outcome.service === reserve?.service) reserve = null;
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
    const result = await inRounds(
      { ...context, signal },
      {
        targets: (services) => writable(services).filter(({ url }) => !storedAt.has(url)),
        run,
        fail: (answers) => writeError(answers, wanted(goal), progress.replicas),
      },
    );
    context.failedWrites?.stored(source.hash);
    return result;
  } catch (error) {
    if (error instanceof ServicesError) context.failedWrites?.failed(source.hash, error.answers);
    throw error;
  } finally {
    // Uploads that still run are surplus copies.
    over.abort(new Error('no longer needed'));
  }
}

/** Whether a service's answer is a locator of this block. */
function names(text: string, { hash, size }: BlockSource): boolean {
  if (/\s/.test(text)) return false;
  try {
    const locator = parseLocator(text);
    return locator.hash === hash && (locator.size === null || locator.size === size);
  } catch {
    return false;
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
