import { DurableObject } from 'cloudflare:workers';
import { backupsSource } from '../balance/backups-source.ts';
import {
  type BalancerContext,
  balanceSlice,
  confirmRun,
  type Explanation,
  explain,
  lostBlocks,
  type TalliesCache,
} from '../balance/balancer.ts';
import { collectionsSource } from '../balance/collections-source.ts';
import type { BalanceStatus, Balancing, Started } from '../balance/handle.ts';
import { createRunRows } from '../balance/run-rows.ts';
import type { Run } from '../balance/runs.ts';
import { uploadsSource } from '../balance/uploads-source.ts';
import { createCommits } from '../collections/commits.ts';
import type { Env } from '../config/env.ts';
import { describeError } from '../keep/redact.ts';
import { createR2ObjectStore } from '../storage/r2-object-store.ts';
import { dependenciesOf } from './composition.ts';
import { lostEvents } from './tell-events.ts';

/** An alarm works this long before it hands over to the next one; the platform allows 15 minutes. */
const ALARM_MS = 25_000;
/** Pauses after failures double from this to ten minutes; a run fails for good after MAX_FAILURES in a row. */
const FIRST_PAUSE_MS = 1000;
const MAX_PAUSE_MS = 600_000;
const MAX_FAILURES = 12;
const RUNS_SHOWN = 20;
/** Key of the lost blocks, hash+size, that receivers of webhooks were told of. */
const TOLD_LOST = 'toldLost';

/** The balancer: one object, so one run at a time. Rows say where a run is; the alarm only wakes it. */
export class Balancer extends DurableObject<Env> implements Balancing {
  readonly #rows;
  readonly #cache: { current: TalliesCache | null } = { current: null };
  #isAwake = false;

  constructor(state: DurableObjectState, env: Env) {
    super(state, env);
    this.#rows = createRunRows(state.storage);
  }

  /** The cron's call: goes on with a run whose alarm was lost, or begins one that is due. */
  async wake(): Promise<void> {
    const built = dependenciesOf(this.env);
    if (!built.ok || this.#isAwake) return;
    const { periodSeconds } = built.deps.config.balance;
    if (this.#rows.current() === null) {
      const [last] = this.#rows.runs(1);
      if (periodSeconds === 0 || (last !== undefined && Date.now() - last.startedAt < periodSeconds * 1000)) return;
      // The first run only shows what it would do.
      this.#rows.start(last === undefined, Date.now());
    }
    const alarm = await this.ctx.storage.getAlarm();
    if (alarm === null || alarm <= Date.now()) await this.ctx.storage.setAlarm(Date.now() + 1);
  }

  async start(isDry: boolean): Promise<Started> {
    const current = this.#rows.current();
    if (current !== null) return { ok: false, message: `run ${current.id} is under way (${current.phase})` };
    const run = this.#rows.start(isDry || this.#rows.runs(1).length === 0, Date.now());
    await this.ctx.storage.setAlarm(Date.now() + 1);
    return { ok: true, run };
  }

  /** Sends the trash list of a run that waits because it is large. */
  async confirm(): Promise<Started> {
    const run = this.#rows.current();
    if (run === null || run.phase !== 'waiting') return { ok: false, message: 'no run waits for a confirmation' };
    return { ok: true, run: await confirmRun(run, this.#context(Date.now() + ALARM_MS)) };
  }

  async cancel(): Promise<Started> {
    const run = this.#rows.current();
    if (run === null) return { ok: false, message: 'no run is under way' };
    const cancelled: Run = { ...run, phase: 'failed', finishedAt: Date.now(), message: 'cancelled' };
    this.#rows.save(cancelled);
    this.#cache.current = null;
    await this.ctx.storage.deleteAlarm();
    return { ok: true, run: cancelled };
  }

  status(): BalanceStatus {
    const done = this.#rows.lastDone();
    return {
      current: this.#rows.current(),
      runs: this.#rows.runs(RUNS_SHOWN),
      lost: done === null ? [] : lostBlocks(this.#rows, done.id),
      unreadable:
        done === null
          ? []
          : this.#rows
              .problems(done.id, 'unreadable')
              .map(({ subject, detail }) => ({ uuid: subject, problem: String(detail) })),
    };
  }

  explain(hash: string): Promise<Explanation> {
    return explain(hash, this.#context(0));
  }

  override async alarm(): Promise<void> {
    let run = this.#rows.current();
    if (run === null || run.phase === 'waiting' || this.#isAwake) return;
    this.#isAwake = true;
    const until = Date.now() + ALARM_MS;
    let pauseMs = 1;
    try {
      while (run.phase !== 'done' && run.phase !== 'waiting' && Date.now() < until) {
        const id: number = run.id;
        const next: Run = await balanceSlice(run, this.#context(until), this.#cache);
        // It may have been cancelled meanwhile.
        if (this.#rows.current()?.id !== id && next.phase !== 'done') break;
        run = next;
      }
      await this.ctx.storage.delete('failures');
    } catch (error) {
      this.#cache.current = null;
      pauseMs = await this.#failed(run, error);
    } finally {
      this.#isAwake = false;
    }
    const left = this.#rows.current();
    if (left !== null && left.phase !== 'waiting') await this.ctx.storage.setAlarm(Date.now() + pauseMs);
    if (run.phase === 'done') await this.#tellLost(run);
    if (run.phase === 'done' || run.phase === 'waiting') log(run.phase === 'done' ? 'info' : 'warn', run);
  }

  /** A block that stays lost is told once. */
  async #tellLost({ id }: Run): Promise<void> {
    const built = dependenciesOf(this.env);
    if (!built.ok || built.deps.api?.mode !== 'embedded') return;
    const lost = lostBlocks(this.#rows, id);
    const told = new Set((await this.ctx.storage.get<string[]>(TOLD_LOST)) ?? []);
    built.deps.api.webhooks.tell(lostEvents(lost, told));
    const names = lost.map(({ hash, size }) => `${hash}+${size}`);
    await this.ctx.storage.put(TOLD_LOST, names);
  }

  /** @returns milliseconds until the next try */
  async #failed(run: Run, error: unknown): Promise<number> {
    const failures = ((await this.ctx.storage.get<number>('failures')) ?? 0) + 1;
    await this.ctx.storage.put('failures', failures);
    const message = describeError(error);
    const current = this.#rows.current();
    if (current !== null && failures >= MAX_FAILURES) {
      this.#rows.save({ ...current, phase: 'failed', finishedAt: Date.now(), message });
      await this.ctx.storage.delete('failures');
    } else if (current !== null) this.#rows.save({ ...current, message });
    log('error', { ...run, message });
    return Math.min(FIRST_PAUSE_MS * 2 ** (failures - 1), MAX_PAUSE_MS);
  }

  #context(until: number): BalancerContext {
    const built = dependenciesOf(this.env);
    const { DB: db, MANIFESTS: manifests } = this.env;
    if (!built.ok) throw new Error(built.problems.join('; '));
    if (db === undefined || manifests === undefined) throw new Error('balancing needs the bindings DB and MANIFESTS');
    const { config, listed: mounts, queues } = built.deps;
    const { balance } = config;
    const source = {
      db,
      manifests,
      batch: balance.collectionBatch,
      defaultReplication: config.defaultReplication,
    };
    return {
      rows: this.#rows,
      store: createR2ObjectStore(manifests),
      db,
      queues,
      mounts,
      sources: [
        uploadsSource({ ...source, commits: createCommits(this.env.COLLECTION) }),
        collectionsSource(source),
        backupsSource(source),
      ],
      ttlSeconds: config.blobSigningTtlSeconds,
      mayTrash: config.blobTrash,
      missingReport: balance.missingReport,
      trashLimit: balance.trashLimit,
      pullLimit: balance.pullLimit,
      maxTrashShare: balance.maxTrashShare,
      until,
      clock: Date.now,
    };
  }
}

function log(level: string, { id, isDry, phase, counts, message }: Run): void {
  // biome-ignore lint/suspicious/noConsole: this is the log
  console.log(
    JSON.stringify({
      level,
      time: new Date().toISOString(),
      msg: 'balance',
      run: id,
      dry: isDry,
      phase,
      ...counts,
      error: message,
    }),
  );
}
