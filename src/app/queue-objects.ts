import type { Config } from '../config/config.ts';
import type { Env } from '../config/env.ts';
import { signingOf } from '../config/signing.ts';
import { currentRequestId } from '../keep/request-id.ts';
import type { PullItem, TrashItem } from '../keep/work-lists.ts';
import { emptySlice } from '../queues/emptier.ts';
import { PULL_TOKEN, type PullContext, pullWork } from '../queues/pull.ts';
import { type RepairItem, repairWork } from '../queues/repair.ts';
import { trashWork } from '../queues/trash.ts';
import { type Work, WorkQueue } from '../queues/work-queue.ts';
import { createKeepClient } from '../services/keep-client.ts';
import { fixedServices } from '../services/service-source.ts';
import { SDK_TRANSFER_LIMITS } from '../services/transfer-limits.ts';
import { createWorkerPlatform } from '../services/worker-platform.ts';
import type { Mount } from '../storage/mounts.ts';
import { dependenciesOf } from './composition.ts';
import { forRequest } from './request-scope.ts';
import { inSpan } from './spans.ts';

/** The Durable Objects of the work queues, with their dependencies. */

export class PullQueue extends WorkQueue<PullItem, Env> {
  protected override work(): Work<PullItem> | null {
    const built = dependenciesOf(this.env);
    if (!built.ok) return null;
    const { config, listed } = built.deps;
    return traced(pullWork(pullContext(config, listed), config.blobReplicateConcurrency));
  }
}

/** Bad copies that reads have met. */
export class RepairQueue extends WorkQueue<RepairItem, Env> {
  protected override work(): Work<RepairItem> | null {
    const built = dependenciesOf(this.env);
    return built.ok ? traced(repairWork(built.deps.mounts)) : null;
  }
}

export class TrashQueue extends WorkQueue<TrashItem, Env> {
  #isEmptying = false;

  protected override work(): Work<TrashItem> | null {
    const built = dependenciesOf(this.env);
    if (!built.ok) return null;
    const { config, mounts } = built.deps;
    const context = { mounts, ttlSeconds: config.blobSigningTtlSeconds, clock: Date.now };
    return traced(trashWork(context, config.blobTrash ? config.blobTrashConcurrency : 0));
  }

  /** Empties trash for as long as one invocation may; returns whether to call again. One at a time. */
  async emptyTrash(): Promise<boolean> {
    const built = dependenciesOf(this.env);
    if (!built.ok || this.#isEmptying) return false;
    const { config, mounts } = built.deps;
    this.#isEmptying = true;
    try {
      return await emptySlice(this.ctx.storage, {
        mounts,
        isEnabled: config.blobTrash && config.blobTrashCheckIntervalSeconds > 0 && config.blobDeleteConcurrency > 0,
        intervalSeconds: config.blobTrashCheckIntervalSeconds,
        ttlSeconds: config.blobSigningTtlSeconds,
        lifetimeSeconds: config.blobTrashLifetimeSeconds,
        concurrency: config.blobDeleteConcurrency,
        clock: Date.now,
        // biome-ignore lint/suspicious/noConsole: this is the log
        log: (line) => console.log(JSON.stringify({ time: new Date().toISOString(), ...line })),
      });
    } finally {
      this.#isEmptying = false;
    }
  }
}

/** Each entry is a span, and is worked on for the request that sent it. */
function traced<Item>(work: Work<Item>): Work<Item> {
  return {
    ...work,
    run: (item, requestId) =>
      inSpan(`${work.kind} entry`, { 'keep.locator': work.locatorOf(item), 'keep.request_id': requestId }, () =>
        forRequest(requestId, () => work.run(item, requestId)),
      ),
  };
}

function pullContext(config: Config, mounts: Mount[]): PullContext {
  const platform = createWorkerPlatform(null);
  const limits = { ...SDK_TRANSFER_LIMITS, windowMs: config.transferWindowSeconds * 1000 };
  return {
    mounts,
    signing: signingOf(config),
    hosts: config.pullHosts,
    clientOf: (url) =>
      createKeepClient({
        services: fixedServices([{ uuid: url, url, type: 'disk', readOnly: false }]),
        token: PULL_TOKEN,
        requestId: currentRequestId(),
        platform,
        retry: { rounds: 1, firstPauseMs: 0, maxPauseMs: 0 },
        limits,
      }),
    clock: Date.now,
  };
}
