import { DurableObject } from 'cloudflare:workers';
import { isValidToken } from '../accounts/d1-authority.ts';
import { mergeFileLog } from '../backups/file-log.ts';
import { type BackupSweepContext, sweepBackups } from '../collections/backup-sweep.ts';
import {
  type ChangeOutcome,
  type CollectionHandle,
  type RefreshRequest,
  type Told,
  told,
  type UnlockRequest,
  type WholeChange,
} from '../collections/commits.ts';
import { type BatchContext, commitBatch, type EditOutcome } from '../collections/edit/commit-batch.ts';
import type { EditRequest } from '../collections/edit/edits.ts';
import { createLockTable } from '../collections/edit/lock-table.ts';
import { type LockingContext, refreshLock, takeLock, unlock } from '../collections/edit/locking.ts';
import type { Lock, LockRequest } from '../collections/edit/locks.ts';
import { eraseCollection } from '../collections/erase.ts';
import type { Env } from '../config/env.ts';
import { KeepError } from '../keep/errors.ts';
import { dependenciesOf } from './composition.ts';

/** Edits that one batch takes at most: their answers wait for each other. */
const MAX_BATCH = 256;
/** Writers that wait at most: each request holds its edits in memory. */
const MAX_WAITING = 1000;

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
  #isWorking = false;

  edit(uuid: string, request: EditRequest): Promise<EditOutcome> {
    if (this.#waiting.length >= MAX_WAITING)
      return Promise.resolve({
        ok: false,
        code: 'unavailable',
        message: 'too many writers wait for this collection: try again',
      });
    return new Promise((done, failed) => {
      this.#waiting.push({ kind: 'edit', request, done, failed });
      void this.#work(uuid);
    });
  }

  change(uuid: string, change: WholeChange): Promise<ChangeOutcome> {
    return this.#inTurn(uuid, async () => {
      const outcome = await told(() => this.#change(uuid, change));
      return outcome.ok ? { ok: true } : outcome;
    });
  }

  lock(uuid: string, request: LockRequest): Promise<Told<{ lock: Lock; created: boolean }>> {
    return this.#inTurn(uuid, () => told(() => takeLock(uuid, request, this.#locking())));
  }

  refreshLock(uuid: string, { path, tokens, seconds, writer }: RefreshRequest): Promise<Told<{ lock: Lock }>> {
    return this.#inTurn(uuid, () =>
      told(async () => ({ lock: await refreshLock(path, tokens, seconds, writer, this.#locking()) })),
    );
  }

  unlock(uuid: string, { path, token, writer }: UnlockRequest): Promise<Told<object>> {
    return this.#inTurn(uuid, () =>
      told(async () => {
        await unlock(uuid, path, token, writer, this.#locking());
        return {};
      }),
    );
  }

  async locks(): Promise<Lock[]> {
    await this.#locks.load();
    return this.#locks.current();
  }

  erase(uuid: string): Promise<boolean> {
    return this.#inTurn(uuid, () => eraseCollection(uuid, this.#context()));
  }

  #inTurn<Result>(uuid: string, run: () => Promise<Result>): Promise<Result> {
    return new Promise((done, failed) => {
      this.#waiting.push({ kind: 'other', run: () => run().then(done, failed), failed });
      void this.#work(uuid);
    });
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
    const context = this.#sweepContext();
    await mergeFileLog(context.manifests, uuid);
    const next = await sweepBackups(uuid, context);
    if (next === null) return;
    await this.ctx.storage.put('uuid', uuid);
    await this.ctx.storage.setAlarm(Math.max(next, Date.now() + 1000));
  }

  override async alarm(): Promise<void> {
    const uuid = await this.ctx.storage.get<string>('uuid');
    if (uuid !== undefined) await this.sweepBackups(uuid);
  }

  /** What a commit superseded can go when its signatures have expired. */
  async #sweepLater(uuid: string): Promise<void> {
    if ((await this.ctx.storage.getAlarm()) !== null) return;
    await this.ctx.storage.put('uuid', uuid);
    await this.ctx.storage.setAlarm(Date.now() + this.#sweepContext().supersededSeconds * 1000 + 1000);
  }

  #sweepContext(): BackupSweepContext {
    const { blobSigningTtlSeconds, backupLifetimeSeconds } = this.#config();
    const { db, manifests, now } = this.#context();
    return { db, manifests, now, supersededSeconds: blobSigningTtlSeconds, deletedSeconds: backupLifetimeSeconds };
  }

  /** The edits at the head of the queue, up to the next change of the whole. */
  #takeEdits() {
    const firstOther = this.#waiting.findIndex(({ kind }) => kind !== 'edit');
    const count = Math.min(firstOther < 0 ? this.#waiting.length : firstOther, MAX_BATCH);
    return this.#waiting.splice(0, count).flatMap((waiting) => (waiting.kind === 'edit' ? [waiting] : []));
  }

  async #commit(uuid: string, edits: Extract<Waiting, { kind: 'edit' }>[]): Promise<void> {
    try {
      const outcomes = await commitBatch(
        uuid,
        edits.map(({ request }) => request),
        this.#context(),
      );
      const done = edits.filter((_, i) => outcomes[i]?.ok === true);
      await this.#locks.follow(done.flatMap(({ request }) => request.edits));
      edits.forEach(({ done, failed }, i) => {
        const outcome = outcomes[i];
        if (outcome === undefined) failed(new Error('a request of the batch has no outcome'));
        else done(outcome);
      });
    } catch (error) {
      for (const { failed } of edits) failed(error);
    }
  }

  async #change(
    uuid: string,
    { writer, action, attributes, manifest, ensureUniqueName, restores, portableDataHash }: WholeChange,
  ): Promise<object> {
    const api = this.#embedded();
    if (writer.tokenUuid !== null && !(await isValidToken(api.db, writer.tokenUuid, Date.now())))
      throw new KeepError('unauthorized', { message: 'Not logged in: the token was revoked or has expired' });
    const { collections } = api;
    if (action === 'trash' || manifest !== null) this.#requireUnlocked();
    if (action === 'trash') await collections.trash(uuid, writer.user, portableDataHash);
    else if (action === 'untrash') await collections.untrash(uuid, writer.user, ensureUniqueName);
    else {
      const change = { attributes, manifest, ensureUniqueName, ...(restores === undefined ? {} : { restores }) };
      await collections.update(uuid, change, writer.user);
    }
    return {};
  }

  /** A change of the whole would pass by the locks of its files. */
  #requireUnlocked(): void {
    const [held] = this.#locks.current();
    if (held === undefined) return;
    throw new KeepError('locked', {
      message: `/${held.path} is locked by a WebDAV client until ${new Date(held.expiresAt).toISOString()}: its user, or who may manage the collection, can UNLOCK it`,
    });
  }

  #locking(): LockingContext {
    return { batch: this.#context(), table: this.#locks };
  }

  #context(): BatchContext {
    const { MANIFESTS: manifests } = this.env;
    if (manifests === undefined) throw new Error('collections need the bindings DB and MANIFESTS');
    const { db } = this.#embedded();
    return {
      db,
      manifests,
      now: Date.now,
      versions: this.#config().versions,
      locks: this.#locks.current,
      columnsOf: (uuid, attributes, user) => this.#embedded().collections.attributeColumns(uuid, attributes, user),
    };
  }

  #config() {
    return this.#dependencies().config;
  }

  #dependencies() {
    const built = dependenciesOf(this.env);
    if (!built.ok) throw new Error(built.problems.join('; '));
    return built.deps;
  }

  #embedded() {
    const { api } = this.#dependencies();
    if (api?.mode !== 'embedded') throw new KeepError('not_configured');
    return api;
  }
}
