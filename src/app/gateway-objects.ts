import { DurableObject } from 'cloudflare:workers';
import type { Env } from '../config/env.ts';
import type { Gateway } from '../gateways/adopted-blocks.ts';
import {
  type Adoption,
  type AdoptionHandle,
  type AdoptionRequest,
  type AdoptionStatus,
  NO_ADOPTION_COUNTS,
  OVER,
  type WantedObject,
} from '../gateways/adoption.ts';
import { copyingSlice, startCopying } from '../gateways/adoption-copy.ts';
import { adoptionManifest } from '../gateways/adoption-manifest.ts';
import { type AdoptionRows, createAdoptionRows, type FinishedObject } from '../gateways/adoption-rows.ts';
import {
  type Budget,
  forgetSlice,
  hashSlice,
  isLasting,
  listSlice,
  problemText,
  register,
  type WorkContext,
} from '../gateways/adoption-work.ts';
import type { PlaceShardHandle } from '../gateways/place-map.ts';
import { createPlaceRows, type PlaceRows } from '../gateways/place-rows.ts';
import type { FoundPlace, HashedPlace, MapEntry, Mark, PlaceMap, PlaceTotals } from '../gateways/places.ts';
import { KeepError } from '../keep/errors.ts';
import { streamOfChunks } from '../streams/chunk-stream.ts';
import { dependenciesOf } from './composition.ts';

/** One shard of the map from hash to places. */
export class PlaceShard extends DurableObject<Env> implements PlaceShardHandle {
  readonly #rows: PlaceRows;

  constructor(state: DurableObjectState, env: Env) {
    super(state, env);
    this.#rows = createPlaceRows(state.storage);
  }

  async find(hash: string): Promise<FoundPlace[]> {
    return this.#rows.find(hash);
  }

  async add(places: HashedPlace[]): Promise<void> {
    this.#rows.add(places, Date.now());
  }

  async mark(place: HashedPlace, problem: string | null): Promise<void> {
    this.#rows.mark(place, problem, Date.now());
  }

  async retire(places: HashedPlace[], problem: string): Promise<void> {
    this.#rows.retire(places, problem);
  }

  async page(gateway: string, after: string, last: string): Promise<{ entries: MapEntry[]; isOver: boolean }> {
    return this.#rows.page(gateway, after, last);
  }

  async marks(gateway: string, limit: number): Promise<Mark[]> {
    return this.#rows.marks(gateway, limit);
  }

  async totals(gateway: string): Promise<PlaceTotals> {
    return this.#rows.totals(gateway);
  }
}

/** An alarm works this long before it hands over to the next one; the platform allows 15 minutes. */
const ALARM_MS = 20_000;
/** About 7 s of processor time. */
const ALARM_BYTES = 4 * 2 ** 30;
/** The platform allows 10,000. */
const ALARM_REQUESTS = 3000;
const COPY_POLL_MS = 2000;
/** Pauses after failures double from this to five minutes; it fails for good after MAX_FAILURES in a row. */
const FIRST_PAUSE_MS = 1000;
const MAX_PAUSE_MS = 300_000;
const MAX_FAILURES = 10;
const PROBLEMS_SHOWN = 100;
const WANTED_AT_ONCE = 100;

/** The adoption of what lies below one prefix of a gateway's bucket. Rows say where it is; the alarm only wakes it. */
export class AdoptionObject extends DurableObject<Env> implements AdoptionHandle {
  readonly #rows: AdoptionRows;
  #isAwake = false;

  constructor(state: DurableObjectState, env: Env) {
    super(state, env);
    this.#rows = createAdoptionRows(state.storage);
  }

  async start({ gateway, prefix, mode, hashing }: AdoptionRequest): Promise<AdoptionStatus> {
    const known = this.#rows.load();
    if (known !== null && !OVER.includes(known.phase)) {
      await this.#arm(1);
      return this.#status(known);
    }
    const fresh: Adoption = {
      gateway,
      prefix,
      mode,
      hashing,
      phase: 'listing',
      generation: (known?.generation ?? 0) + 1,
      cursor: null,
      startedAt: Date.now(),
      finishedAt: null,
      message: '',
      counts: NO_ADOPTION_COUNTS,
      collections: known?.collections ?? {},
    };
    this.#rows.save(fresh);
    await this.ctx.storage.delete('failures');
    await this.#arm(1);
    return this.#status(fresh);
  }

  /** Also goes on with what is under way, should its alarm have been lost. */
  async status(): Promise<AdoptionStatus | null> {
    const adoption = this.#rows.load();
    if (adoption === null) return null;
    const alarm = await this.ctx.storage.getAlarm();
    if (!OVER.includes(adoption.phase) && !this.#isAwake && (alarm === null || alarm < Date.now() - ALARM_MS))
      await this.#arm(1);
    return this.#status(adoption);
  }

  async cancel(): Promise<AdoptionStatus> {
    const adoption = this.#loaded();
    if (OVER.includes(adoption.phase)) return this.#status(adoption);
    const cancelled: Adoption = { ...adoption, phase: 'cancelled', finishedAt: Date.now(), message: 'cancelled' };
    this.#rows.save(cancelled);
    await this.ctx.storage.deleteAlarm();
    return this.#status(cancelled);
  }

  async manifest(withHints: boolean): Promise<ReadableStream<Uint8Array>> {
    const { gateway, generation } = this.#loaded();
    return streamOfChunks(adoptionManifest(this.#rows, generation, withHints ? `+K@${gateway}` : ''));
  }

  async saved(project: string, collection: string): Promise<void> {
    const adoption = this.#loaded();
    this.#rows.save({ ...adoption, collections: { ...adoption.collections, [project]: collection } });
  }

  async wanted(after: string): Promise<WantedObject[]> {
    return this.#rows.wanted(WANTED_AT_ONCE, after);
  }

  async hashed(objects: FinishedObject[]): Promise<void> {
    const adoption = this.#loaded();
    if (adoption.phase !== 'hashing') throw new Error('nothing is waited for');
    await register(adoption.gateway, objects, { rows: this.#rows, map: this.#map() });
    // Read again: other requests may have been answered meanwhile.
    const now = this.#loaded();
    const counts = { ...now.counts };
    counts.adoptedObjects += objects.length;
    counts.hashedBytes += objects.reduce((sum, { size }) => sum + size, 0);
    this.#rows.save({ ...now, counts }, () => this.#rows.finish(objects));
    await this.#arm(1);
  }

  override async alarm(): Promise<void> {
    const adoption = this.#rows.load();
    if (adoption === null || OVER.includes(adoption.phase) || this.#isAwake) return;
    this.#isAwake = true;
    let pauseMs = 1;
    try {
      const next = await this.#step(adoption);
      await this.ctx.storage.delete('failures');
      // The command line has to hash what is left.
      if (next.phase === 'hashing' && next.hashing === 'client' && this.#hasPending()) return;
      if (next.phase === 'copying') pauseMs = COPY_POLL_MS;
    } catch (error) {
      pauseMs = await this.#failed(error);
    } finally {
      this.#isAwake = false;
    }
    const left = this.#rows.load();
    if (left !== null && !OVER.includes(left.phase)) await this.#arm(pauseMs);
  }

  async #step(adoption: Adoption): Promise<Adoption> {
    const gateway = this.#gateway(adoption.gateway);
    const budget: Budget = {
      until: Date.now() + ALARM_MS,
      now: Date.now,
      bytes: ALARM_BYTES,
      requests: ALARM_REQUESTS,
    };
    const context = { rows: this.#rows, gateway, map: this.#map(), budget };
    let at = adoption;
    if (at.phase === 'listing') at = await listSlice(at, context);
    if (at.phase === 'hashing' && at.hashing === 'service') at = await hashSlice(at, context);
    if (at.phase === 'hashing' && !this.#hasPending()) at = await this.#hashedAll(at, context);
    else if (at.phase === 'copying') at = await copyingSlice(at, this.#copyQueue());
    if (OVER.includes(at.phase)) at = { ...at, finishedAt: Date.now() };
    this.#rows.save(at);
    return at;
  }

  /** Who watches sees that it is done when all of this is: a copy would else be taken for made before it began. */
  async #hashedAll(adoption: Adoption, context: WorkContext): Promise<Adoption> {
    this.#rows.markSamePaths();
    if (!(await forgetSlice(adoption, context))) return adoption;
    if (adoption.mode === 'copy') return startCopying(adoption, this.#rows, this.#copyQueue());
    return { ...adoption, phase: 'done' };
  }

  #hasPending(): boolean {
    return this.#rows.pending(1).length > 0;
  }

  /** @returns milliseconds until the next try */
  async #failed(error: unknown): Promise<number> {
    const failures = ((await this.ctx.storage.get<number>('failures')) ?? 0) + 1;
    await this.ctx.storage.put('failures', failures);
    const message = problemText(error);
    const current = this.#rows.load();
    const isFinal = failures >= MAX_FAILURES || isLasting(error);
    if (current !== null && current.phase !== 'cancelled') {
      if (isFinal) this.#rows.save({ ...current, phase: 'failed', finishedAt: Date.now(), message });
      else this.#rows.save({ ...current, message });
    }
    // biome-ignore lint/suspicious/noConsole: this is the log
    console.log(
      JSON.stringify({ level: 'error', time: new Date().toISOString(), msg: 'adoption', failures, error: message }),
    );
    return Math.min(FIRST_PAUSE_MS * 2 ** (failures - 1), MAX_PAUSE_MS);
  }

  #status(adoption: Adoption): AdoptionStatus {
    const { generation, mode } = adoption;
    const problems = this.#rows.problems(PROBLEMS_SHOWN);
    if (mode === 'check' && adoption.phase === 'done') {
      for (const { key, size, listedSize } of this.#rows.changed(generation, PROBLEMS_SHOWN))
        problems.push({
          key,
          problem:
            size === listedSize
              ? 'overwritten since it was adopted'
              : `overwritten since it was adopted: it had ${size} bytes and has ${listedSize}`,
        });
      for (const key of this.#rows.gone(generation, PROBLEMS_SHOWN).keys)
        problems.push({ key, problem: 'deleted since it was adopted' });
    }
    return { ...adoption, problems: problems.slice(0, PROBLEMS_SHOWN) };
  }

  #loaded(): Adoption {
    const adoption = this.#rows.load();
    if (adoption === null) throw new Error('there is no such adoption');
    return adoption;
  }

  #arm(ms: number): Promise<void> {
    return this.ctx.storage.setAlarm(Date.now() + ms);
  }

  #gateway(uuid: string): Gateway {
    const gateway = this.#gateways().gateways.find(({ config }) => config.uuid === uuid);
    if (gateway === undefined)
      throw new KeepError('not_configured', { message: `the gateway ${uuid} is no longer configured` });
    return gateway;
  }

  #map(): PlaceMap {
    return this.#gateways().map;
  }

  #gateways() {
    const built = dependenciesOf(this.env);
    if (!built.ok) throw new Error(built.problems.join('; '));
    if (built.deps.gateways === null) throw new KeepError('not_configured', { message: 'no gateway is configured' });
    return built.deps.gateways;
  }

  /** A pull queue of its own: keep-balance and the balancer replace the list of the other one. */
  #copyQueue() {
    const { PULL_QUEUE } = this.env;
    if (PULL_QUEUE === undefined) throw new KeepError('not_configured', { message: 'PULL_QUEUE is not bound' });
    return PULL_QUEUE.getByName(`adopted ${this.ctx.id.toString()}`);
  }
}
