import { DurableObject } from 'cloudflare:workers';
import {
  type ChangeOutcome,
  type CollectionHandle,
  lockedByClient,
  type RefreshRequest,
  type Told,
  told,
  type UnlockRequest,
  type WholeChange,
} from '../collections/commits.ts';
import { type EditOutcome, refusal } from '../collections/edit/commit-batch.ts';
import type { EditRequest } from '../collections/edit/edits.ts';
import { createLockTable } from '../collections/edit/lock-table.ts';
import { type LockingContext, refreshLock, takeLock, unlock } from '../collections/edit/locking.ts';
import type { Lock, LockRequest } from '../collections/edit/locks.ts';
import { requestBytes, textBytes } from '../collections/edit/request-bytes.ts';
import { type CompleteContext, completeUpload } from '../collections/uploads/complete.ts';
import { createPartRows, type StoredPart, type UploadPart } from '../collections/uploads/part-rows.ts';
import type { CompletedUpload, CompleteRequest, FoundUpload, Upload } from '../collections/uploads/upload.ts';
import { findUpload } from '../collections/uploads/upload-rows.ts';
import { createUploadTable } from '../collections/uploads/upload-table.ts';
import type { Env } from '../config/env.ts';
import { count } from '../http/metrics.ts';
import { KeepError } from '../keep/errors.ts';
import { tryHold } from '../streams/body-budgets.ts';
import { createHeldBudget, isolateMemory } from '../streams/held-budget.ts';
import { type Committer, clusterCommitter, embeddedCommitter } from './committers.ts';
import { dependenciesOf } from './composition.ts';
import { forRequest } from './request-scope.ts';
import { inSpan } from './spans.ts';
import { tellingCommits } from './tell-commits.ts';

/** Key of the number of changes. */
const CHANGES = 'changes';
/** Key of the time at which small blocks are looked for. */
const REPACK_AT = 'repackAt';
/** Edits that one batch takes at most: their answers wait for each other. */
const MAX_BATCH = 256;
/** Who waits at most, for one collection. */
const MAX_WAITING = 1000;
/** What those hold who wait for a collection's turn, of all collections in this isolate. */
const WAITING = createHeldBudget(40 * 1024 * 1024, isolateMemory);
/** Of one of the parts that an upload is to be made of. */
const PART_BYTES = 200;

type Waiting =
  | { kind: 'edit'; request: EditRequest; done: (outcome: EditOutcome) => void; failed: (error: unknown) => void }
  | { kind: 'other'; run: () => Promise<void>; failed: (error: unknown) => void };

/**
 * One collection's writers, in turn. What waits together is committed together, so that writers of different files never
 * get in each other's way. D1 holds the collection; only the queue and locks are here.
 */
export class CollectionObject extends DurableObject<Env> implements CollectionHandle {
  readonly #waiting: Waiting[] = [];
  readonly #locks = createLockTable(this.ctx.storage, Date.now);
  readonly #parts = createPartRows(this.ctx.storage);
  readonly #uploads = createUploadTable(this.ctx.storage);
  #isWorking = false;

  async edit(uuid: string, request: EditRequest): Promise<EditOutcome> {
    try {
      return await this.#admitted(requestBytes(request), () => {
        return new Promise((done, failed) => {
          this.#waiting.push({ kind: 'edit', request, done, failed });
          void this.#work(uuid);
        });
      });
    } catch (error) {
      return refusal(error);
    }
  }

  async change(uuid: string, change: WholeChange): Promise<ChangeOutcome> {
    const outcome = await told(() =>
      this.#admitted(textBytes(change.attributes), () => this.#inTurn(uuid, () => this.#change(uuid, change))),
    );
    return outcome.ok ? { ok: true } : outcome;
  }

  lock(uuid: string, request: LockRequest): Promise<Told<{ lock: Lock; created: boolean }>> {
    return told(() => this.#admitted(0, () => this.#inTurn(uuid, () => takeLock(uuid, request, this.#locking()))));
  }

  refreshLock(uuid: string, { path, tokens, seconds, writer }: RefreshRequest): Promise<Told<{ lock: Lock }>> {
    return told(async () => ({
      lock: await this.#inTurn(uuid, () => refreshLock(path, tokens, seconds, writer, this.#locking())),
    }));
  }

  unlock(uuid: string, { path, token, writer }: UnlockRequest): Promise<Told<object>> {
    return told(async () => {
      await this.#inTurn(uuid, () => unlock(uuid, path, token, writer, this.#locking()));
      return {};
    });
  }

  async locks(): Promise<Lock[]> {
    await this.#locks.load();
    return this.#locks.current();
  }

  erase(uuid: string): Promise<boolean> {
    return this.#inTurn(uuid, () => this.#committer().erase(uuid));
  }

  async changes(): Promise<number> {
    return (await this.ctx.storage.get<number>(CHANGES)) ?? 0;
  }

  changed(uuid: string): Promise<void> {
    return this.#inTurn(uuid, () => this.#count());
  }

  insertUpload(upload: Omit<Upload, 'createdAt'>): Promise<Told<object>> {
    return told(async () => {
      this.#uploads.insert(upload, Date.now());
      await this.#sweepUploads(upload.collectionUuid);
      return {};
    });
  }

  async findUpload(uuid: string, id: string): Promise<FoundUpload | null> {
    return this.#uploads.find(uuid, id);
  }

  async listUploads(uuid: string, after: { path: string; id: string; limit: number }): Promise<Upload[]> {
    return this.#uploads.list(uuid, after);
  }

  async deleteUpload(id: string): Promise<boolean> {
    return this.#uploads.delete(id);
  }

  /** What is older than it may get ends; what is not wakes this object when it is. */
  async #sweepUploads(uuid: string): Promise<void> {
    this.#parts.drop(this.#uploads.sweep(Date.now()));
    const next = this.#uploads.nextEnd();
    if (next !== null) await this.#wakeAt(uuid, next);
  }

  async addPart(upload: string, part: StoredPart): Promise<void> {
    this.#parts.put(upload, part);
  }

  async parts(upload: string, after: number, limit: number): Promise<UploadPart[]> {
    return this.#parts.list(upload, after, limit);
  }

  async storedParts(upload: string, after: number, limit: number): Promise<StoredPart[]> {
    return this.#parts.withRanges(upload, after, limit);
  }

  completeUpload(uuid: string, request: CompleteRequest): Promise<Told<CompletedUpload>> {
    const complete = () =>
      completeUpload(request, this.#parts, {
        ...this.#registry(uuid),
        now: Date.now,
        edit: async (edit) => (await this.#edits(uuid, [edit]))[0],
      });
    return told(() => this.#admitted(request.parts.length * PART_BYTES, () => this.#inTurn(uuid, complete)));
  }

  /** Where it is written which uploads there are: our database, or here beside a cluster. */
  #registry(uuid: string): Pick<CompleteContext, 'find' | 'isOwnersOnly' | 'keepsMetadata' | 'completed'> {
    const { DB: db } = this.env;
    if (!this.#committer().keepsMetadata)
      return {
        find: (id) => this.findUpload(uuid, id),
        isOwnersOnly: true,
        keepsMetadata: false,
        completed: (id, result) => this.#uploads.complete(id, result),
      };
    if (db === undefined) throw new KeepError('not_configured');
    return { find: (id) => findUpload(db, uuid, id), isOwnersOnly: false, keepsMetadata: true };
  }

  dropParts(uuid: string, uploads: string[]): Promise<void> {
    return this.#inTurn(uuid, async () => this.#parts.drop(uploads));
  }

  #inTurn<Result>(uuid: string, run: () => Promise<Result>): Promise<Result> {
    return new Promise((done, failed) => {
      this.#waiting.push({ kind: 'other', run: () => run().then(done, failed), failed });
      void this.#work(uuid);
    });
  }

  /**
   * For what clients send.
   * @param bytes that are held meanwhile
   * @throws KeepError slow_down where too many wait, or what they hold is too much
   */
  async #admitted<Result>(bytes: number, wait: () => Promise<Result>): Promise<Result> {
    const held = WAITING.reserve();
    if (this.#waiting.length >= MAX_WAITING || !tryHold(held, bytes))
      throw new KeepError('slow_down', { message: 'too many writers wait for this collection: try again' });
    try {
      return await wait();
    } finally {
      held.release();
    }
  }

  async #work(uuid: string): Promise<void> {
    if (this.#isWorking) return;
    this.#isWorking = true;
    try {
      await this.#locks.load();
      for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
        if (next.kind === 'other') {
          this.#waiting.shift();
          await next.run();
        } else await this.#commit(uuid, this.#takeEdits());
      }
    } catch (error) {
      for (const { failed } of this.#waiting.splice(0)) failed(error);
    } finally {
      // Nothing is awaited since the queue was last seen empty: what comes from here on starts anew.
      this.#isWorking = false;
    }
    await this.#sweepLater(uuid).catch(() => undefined);
  }

  async sweepBackups(uuid: string): Promise<void> {
    const next = await this.#committer().sweepBackups(uuid);
    if (next !== null) await this.#wakeAt(uuid, next);
  }

  override async alarm(): Promise<void> {
    const uuid = await this.ctx.storage.get<string>('uuid');
    if (uuid === undefined) return;
    await this.#repack(uuid);
    await this.sweepBackups(uuid);
    await this.#sweepUploads(uuid);
  }

  /** There is one alarm for all that is to be done: the first time counts. */
  async #wakeAt(uuid: string, at: number): Promise<void> {
    const set = await this.ctx.storage.getAlarm();
    if (set !== null && set <= at) return;
    await this.ctx.storage.put('uuid', uuid);
    await this.ctx.storage.setAlarm(Math.max(at, Date.now() + 1000));
  }

  /** What a commit superseded can go when its signatures have expired. */
  async #sweepLater(uuid: string): Promise<void> {
    const { supersededMs } = this.#committer();
    if (supersededMs === null || (await this.ctx.storage.getAlarm()) !== null) return;
    await this.#wakeAt(uuid, Date.now() + supersededMs);
  }

  /** Files that were written one by one are packed when their writers have left the collection alone for a while. */
  async #repackLater(uuid: string, after: number): Promise<void> {
    // No answer waits until this is on disk: what is lost is said again with the next write.
    await this.ctx.storage.put(REPACK_AT, Date.now() + after, { allowUnconfirmed: true });
    await this.#wakeAt(uuid, Date.now() + after);
  }

  async #repack(uuid: string): Promise<void> {
    const committer = this.#committer();
    const at = await this.ctx.storage.get<number>(REPACK_AT);
    if (at === undefined || committer.repackIdleMs === null) return;
    if (at > Date.now()) return this.#wakeAt(uuid, at);
    // Before it is tried: what fails is tried again after the next write, not for ever.
    await this.ctx.storage.delete(REPACK_AT);
    try {
      const packing = await committer.pack(uuid);
      if (packing === null) return;
      if (await this.#inTurn(uuid, () => committer.commitPacking(uuid, packing))) await this.#repackLater(uuid, 1000);
    } catch {
      count('keep_edge_repack_failures_total');
    }
  }

  /** The edits at the head of the queue, up to the next change of the whole. */
  #takeEdits() {
    const firstOther = this.#waiting.findIndex(({ kind }) => kind !== 'edit');
    const count = Math.min(firstOther < 0 ? this.#waiting.length : firstOther, MAX_BATCH);
    return this.#waiting.splice(0, count).flatMap((waiting) => (waiting.kind === 'edit' ? [waiting] : []));
  }

  async #commit(uuid: string, edits: Extract<Waiting, { kind: 'edit' }>[]): Promise<void> {
    try {
      const requests = edits.map(({ request }) => request);
      const outcomes = await this.#edits(uuid, requests);
      const done = edits.filter((_, i) => outcomes[i]?.ok === true);
      const written = done.flatMap(({ request }) => request.edits);
      await this.#locks.follow(written);
      const { repackIdleMs } = this.#committer();
      if (repackIdleMs !== null && written.some(({ kind }) => kind === 'put'))
        await this.#repackLater(uuid, repackIdleMs);
      edits.forEach(({ done, failed }, i) => {
        const outcome = outcomes[i];
        if (outcome === undefined) failed(new Error('a request of the batch has no outcome'));
        else done(outcome);
      });
    } catch (error) {
      for (const { failed } of edits) failed(error);
    }
  }

  async #edits(uuid: string, requests: EditRequest[]): Promise<EditOutcome[]> {
    try {
      // What waited together goes on as one: under the id of its first request.
      return await forRequest(requests[0]?.writer.requestId ?? '', () =>
        inSpan('commit files', { 'keep.collection': uuid, 'keep.writers': requests.length }, () =>
          this.#committer().edits(uuid, requests, this.#locks.current()),
        ),
      );
    } finally {
      await this.#count();
    }
  }

  async #change(uuid: string, change: WholeChange): Promise<object> {
    if (change.action === 'trash' || change.manifest !== null) this.#requireUnlocked();
    try {
      await forRequest(change.writer.requestId ?? '', () =>
        inSpan('change collection', { 'keep.collection': uuid }, () => this.#committer().change(uuid, change)),
      );
    } finally {
      await this.#count();
    }
    return {};
  }

  /** Beside a cluster readers ask whether what they know is from before a change made here. */
  async #count(): Promise<void> {
    if (this.#committer().supersededMs !== null) return;
    await this.ctx.storage.put(CHANGES, (await this.changes()) + 1);
  }

  /** A change of the whole would pass by the locks of its files. */
  #requireUnlocked(): void {
    const [held] = this.#locks.current();
    if (held !== undefined) throw lockedByClient(held);
  }

  #locking(): LockingContext {
    const committer = this.#committer();
    return { commit: committer.edits, mayManage: committer.mayManage, now: Date.now, table: this.#locks };
  }

  #committer(): Committer {
    const built = dependenciesOf(this.env);
    if (!built.ok) throw new Error(built.problems.join('; '));
    const { api, config } = built.deps;
    if (config.apiUrl !== null) return clusterCommitter(config.apiUrl);
    const committer = embeddedCommitter(built.deps, this.env);
    return api?.mode === 'embedded' ? tellingCommits(committer, api.webhooks) : committer;
  }
}
