import { DurableObject } from 'cloudflare:workers';
import { isKeepError, KeepError } from '../keep/errors.ts';
import { redactText } from '../keep/redact.ts';
import { failed, type Outcome } from './outcome.ts';
import { type Claim, createWorkRows, type Problem, type Tally, type WorkRows } from './work-rows.ts';

/** What is done with the entries of one kind of list. */
export interface Work<Item> {
  kind: 'pull' | 'trash' | 'repair';
  /** Reads a request's body. @throws KeepError `invalid_list` */
  read(chunks: AsyncIterable<Uint8Array>): AsyncIterable<Item>;
  /** An entry as JSON, and back. */
  encode(item: Item): string;
  decode(text: string): Item;
  /** The block's bare locator, for logs. */
  locatorOf(item: Item): string;
  /** Entries worked on at once; 0 keeps the list and does nothing with it. */
  concurrency: number;
  /** Entries that one alarm may begin: each costs requests to stores, and an invocation may only make so many. */
  entriesPerAlarm: number;
  /**
   * Works on one entry. Safe to repeat. An exception counts as a failure.
   * @param requestId of the request that sent it; '' for none
   */
  run(item: Item, requestId: string): Promise<Outcome>;
}

export type Replaced = { ok: true; entries: number } | { ok: false; message: string };

/** State of a queue, for people and for metrics. */
export interface QueueStatus {
  /** False: switched off by configuration, lists are only kept. */
  isWorking: boolean;
  list: { entries: number; receivedAt: string | null; startedAt: string | null; lastSettledAt: string | null };
  pending: number;
  inProgress: number;
  /** Of this list. */
  tallies: Tally[];
  /** Entries settled per second since the list was begun; 0 before. */
  ratePerSecond: number;
  lastErrors: (Omit<Problem, 'at'> & { at: string })[];
  /** Since the queue came to be. */
  totals: Tally[];
  /** When the cron last looked at the queue. */
  wokenAt: string | null;
}

/** Staged in one statement: one call into SQLite, where a string may hold 2 MB (a character takes up to 3 bytes). */
const BATCH_ENTRIES = 500;
const BATCH_CHARS = 256 * 1024;
/** An alarm may take 15 minutes: no new entry is begun after this, so that the longest ones have time to end. */
const SLICE_MS = 240_000;
/** Entries that wait after having been added one by one. */
const MAX_ADDED = 1000;
/** In one alarm: a server that is down fails every entry alike, and the tallies count them. */
const MAX_FAILURES_LOGGED = 20;
/** Of a locator in logs and tables; a list may hold any text in its place. */
const MAX_LOCATOR_CHARS = 200;
/** When `wake` was called last, in Unix milliseconds: the only trace of a cron that has nothing to do. */
const WOKEN_AT = 'woken at';
/** An entry begun this often without an end is given up: it probably takes the process down with it. */
const MAX_STARTS = 5;

/**
 * A work list in a Durable Object: rows are the truth, the alarm is only the wake-up. Entries run at least once and
 * are not tried again when they fail: the next list will ask for what is still to be done.
 */
export abstract class WorkQueue<Item, Bindings = unknown> extends DurableObject<Bindings> {
  readonly #rows: WorkRows;
  readonly #running = new Set<Claim>();
  #isAwake = false;
  #failuresLogged = 0;

  constructor(state: DurableObjectState, env: Bindings) {
    super(state, env);
    this.#rows = createWorkRows(state.storage);
  }

  /** Null when the service is not configured. */
  protected abstract work(): Work<Item> | null;

  /** Takes the body of `PUT /pull` or `/trash`: the list is replaced as a whole, or not at all. */
  async replace(body: ReadableStream<Uint8Array>, requestId = ''): Promise<Replaced> {
    const work = this.work();
    if (work === null) throw new Error('not configured');
    const reader = body.getReader();
    const generation = this.#rows.stage();
    try {
      const chunks = chunksOf(reader);
      const entries = await this.#stage(work, generation, chunks);
      // Read the rest too: a sender whose body is cut off may take the answer for a failure.
      for await (const _ of chunks);
      this.#rows.enforce(generation, entries, Date.now(), requestId);
      await this.#arm();
      return { ok: true, entries };
    } catch (error) {
      this.#rows.abandon(generation);
      await this.#arm();
      await reader.cancel(error).catch(() => undefined);
      if (isKeepError(error, 'invalid_list')) return { ok: false, message: error.message };
      throw error;
    }
  }

  /** Adds one entry to the list; false when it is there already, or the list is too long. */
  async add(item: Item, requestId = ''): Promise<boolean> {
    const work = this.work();
    if (work === null || !this.#rows.append(work.encode(item), MAX_ADDED, Date.now(), requestId)) return false;
    if (!this.#isAwake) await this.#arm();
    return true;
  }

  status(): QueueStatus {
    const { generation, entries, settled, receivedAt, startedAt, lastSettledAt } = this.#rows.facts();
    // An entry of the list before may still be in progress.
    const running = [...this.#running].filter((claim) => claim.generation === generation).length;
    const seconds = ((lastSettledAt ?? 0) - (startedAt ?? 0)) / 1000;
    const timeOf = (ms: number | null) => (ms === null ? null : new Date(ms).toISOString());
    return {
      isWorking: (this.work()?.concurrency ?? 0) > 0,
      list: {
        entries,
        receivedAt: timeOf(receivedAt),
        startedAt: timeOf(startedAt),
        lastSettledAt: timeOf(lastSettledAt),
      },
      pending: entries - settled - running,
      inProgress: this.#running.size,
      tallies: this.#rows.tallies('list'),
      ratePerSecond: lastSettledAt === null ? 0 : Math.round((settled / Math.max(seconds, 0.001)) * 10) / 10,
      lastErrors: this.#rows.problems().map(({ at, ...problem }) => ({ at: new Date(at).toISOString(), ...problem })),
      totals: this.#rows.tallies('total'),
      wokenAt: timeOf(this.ctx.storage.kv.get<number>(WOKEN_AT) ?? null),
    };
  }

  /** Called by the cron: a queue with work and no alarm ahead gets one. An alarm in the past may never run. */
  async wake(): Promise<void> {
    this.ctx.storage.kv.put(WOKEN_AT, Date.now());
    if (this.#isAwake || !this.#hasWork()) return;
    const alarm = await this.ctx.storage.getAlarm();
    if (alarm === null || alarm <= Date.now()) await this.#arm();
  }

  override async alarm(): Promise<void> {
    this.#isAwake = true;
    try {
      const work = this.work();
      while (this.#rows.sweep()) await scheduler.wait(0);
      if (work !== null) await this.#workOff(work);
    } finally {
      this.#isAwake = false;
    }
    // Not after a failure: the platform repeats an alarm that threw, each time later, and the cron wakes the queue after
    // that. An alarm set here would run again at once, for ever.
    if (this.#hasWork()) await this.#arm();
  }

  async #stage(work: Work<Item>, generation: number, chunks: AsyncIterable<Uint8Array>): Promise<number> {
    let staged = 0;
    let batch: string[] = [];
    let chars = 0;
    const flush = () => {
      this.#rows.add(generation, staged, batch);
      staged += batch.length;
      batch = [];
      chars = 0;
    };
    for await (const item of work.read(chunks)) {
      const entry = work.encode(item);
      if (entry.length > BATCH_CHARS)
        throw new KeepError('invalid_list', { message: `entry ${staged + batch.length + 1} of the list is too long` });
      if (chars + entry.length > BATCH_CHARS) flush();
      chars += entry.length;
      if (batch.push(entry) >= BATCH_ENTRIES) flush();
    }
    flush();
    return staged;
  }

  #hasWork(): boolean {
    const { entries, settled } = this.#rows.facts();
    return settled < entries && (this.work()?.concurrency ?? 0) > 0;
  }

  /** One millisecond ahead: an alarm for the same moment as the running one would be taken for that one and never run. */
  #arm(): Promise<void> {
    return this.ctx.storage.setAlarm(Date.now() + 1);
  }

  /** A line for each failure, up to a number, and one when the list is through. */
  #report({ kind }: Work<Item>, requestId: string, locator: string, { result, reason, message }: Outcome): void {
    const of = requestId === '' ? {} : { RequestID: requestId };
    if (result === 'failed' && this.#failuresLogged++ < MAX_FAILURES_LOGGED)
      log({ level: 'warn', msg: `${kind} failed`, ...of, locator, reason, error: message });
    if (result === 'done' && kind === 'repair') log({ level: 'info', msg: 'bad copy replaced', ...of, locator });
    const { entries, settled } = this.#rows.facts();
    if (settled === entries)
      log({ level: 'info', msg: `${kind} list done`, ...of, entries, tallies: this.#rows.tallies('list') });
  }

  /** Throws only when the object's own storage fails: the platform repeats the alarm then. */
  async #workOff(work: Work<Item>): Promise<void> {
    const until = Date.now() + SLICE_MS;
    let left = work.entriesPerAlarm;
    const lane = async () => {
      while (left > 0 && Date.now() < until) {
        // Settling one entry and claiming the next are one write: there is no wait between them.
        const claim = this.#rows.claim(Date.now());
        if (claim === null) return;
        left--;
        await this.#settle(work, claim);
      }
    };
    this.#rows.begin();
    this.#failuresLogged = 0;
    const lanes = await Promise.allSettled(Array.from({ length: work.concurrency }, lane));
    for (const result of lanes) if (result.status === 'rejected') throw result.reason;
  }

  async #settle(work: Work<Item>, claim: Claim): Promise<void> {
    this.#running.add(claim);
    let locator = '';
    let outcome: Outcome;
    try {
      const item = readEntry(work, claim);
      locator = work.locatorOf(item).slice(0, MAX_LOCATOR_CHARS);
      outcome =
        claim.unsettledStarts >= MAX_STARTS
          ? failed('interrupted', `begun ${claim.unsettledStarts} times, and the process ended each time`)
          : await work.run(item, claim.requestId);
    } catch (error) {
      outcome = error instanceof UnreadableEntry ? failed('unreadable', error.message) : failed('error', textOf(error));
    } finally {
      this.#running.delete(claim);
    }
    if (outcome.message !== undefined) outcome = { ...outcome, message: redactText(outcome.message) };
    this.#rows.settle(claim, outcome, locator, Date.now());
    this.#report(work, claim.requestId, locator, outcome);
  }
}

/** A row that this version cannot read: it would be met again by every alarm. */
class UnreadableEntry extends Error {}

function readEntry<Item>(work: Work<Item>, { entry, position }: Claim): Item {
  try {
    return work.decode(entry);
  } catch (error) {
    throw new UnreadableEntry(`entry ${position + 1} of the list cannot be read: ${textOf(error)}`);
  }
}

const textOf = (error: unknown) => (error instanceof Error ? error.message : String(error));

/** The chunks of a stream, for a consumer that may stop early without cancelling it. */
function chunksOf(reader: ReadableStreamDefaultReader<Uint8Array>): AsyncIterable<Uint8Array> {
  return {
    [Symbol.asyncIterator]: () => ({
      next: async () => {
        const { done, value } = await reader.read().catch((cause: unknown) => {
          throw new KeepError('invalid_list', { message: 'the body broke off, or its chunks are malformed', cause });
        });
        return done ? { done, value: undefined } : { done, value };
      },
    }),
  };
}

function log(line: Record<string, unknown>): void {
  // biome-ignore lint/suspicious/noConsole: this is the log
  console.log(JSON.stringify({ time: new Date().toISOString(), ...line }));
}
