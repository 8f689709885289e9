import type { Backups } from '../../backups/backups.ts';
import { describeError } from '../../keep/redact.ts';
import { VERSION } from '../../keep/version.ts';
import type { Search } from '../../search/search.ts';
import { type BalanceDependencies, runRecord } from './balance.ts';

/** A work queue, as far as one sees from outside whether it is stuck. Times are RFC 3339. */
export interface QueueFacts {
  isWorking: boolean;
  pending: number;
  inProgress: number;
  /** When an entry was last settled, or else begun, or else the list came. */
  since: string | null;
  /** When the cron last looked at it. */
  wokenAt: string | null;
  lastError: string | null;
}

/** What the deployment itself knows, asked when it is wanted. Nothing here holds a secret's value. */
export interface Deployment {
  bindings(): Record<string, boolean>;
  secrets(): { name: string; isSet: boolean; weakness: string | null }[];
  databases(): {
    binding: string;
    state(): Promise<{ missing: string[]; newer: string[]; since: string | null }>;
  }[];
  /** Null without the Durable Objects. */
  queues(): Promise<Record<string, QueueFacts> | null>;
  /** @param write also stores an object in each writable volume, and deletes it */
  volumes(
    write: boolean,
  ): Promise<
    { uuid: string; deviceId: string; allowWrite: boolean; ms: number; problem: string | null; isWritten: boolean }[]
  >;
  /** Whether the Cache API works here. */
  cacheKeeps(): Promise<boolean>;
  settings: {
    /** own: accounts and collections are kept here; cluster: beside a cluster; proxy: without volumes, too. */
    mode: 'own' | 'cluster' | 'proxy';
    blobSigning: boolean;
    blobTrash: boolean;
    edgeCache: string;
    balancePeriodSeconds: number;
    collectionsUrl: string | null;
    trustAllContent: boolean;
    webhooks: number;
    gateways: number;
  };
}

export interface DeploymentDependencies extends BalanceDependencies {
  deployment: Deployment;
  backups: Backups | null;
  search: Search | null;
}

/**
 * `GET deployment`: bindings, migrations, secrets (names only), when the cron, balancing and backups were seen, queues and
 * volumes, for `keep-edge doctor`. `POST deployment` writes an object to each volume as well. A part that cannot answer is
 * `{error}`; the others stay.
 */
export async function deploymentFacts(write: boolean, deps: DeploymentDependencies): Promise<Response> {
  const { deployment, backups, search } = deps;
  const { mode, ...settings } = deployment.settings;
  const [databases, queues, volumes, cacheKeeps, balance, backup, index] = await Promise.all([
    Promise.all(deployment.databases().map(async ({ binding, state }) => ({ binding, ...(await part(state)) }))),
    part(deployment.queues),
    part(() => deployment.volumes(write)),
    part(async () => ({ keeps: await deployment.cacheKeeps() })),
    part(() => lastRun(deps)),
    part(async () => (backups === null ? null : backups.status())),
    part(async () => (search === null ? null : search.state())),
  ]);
  return Response.json({
    version: VERSION,
    time: new Date().toISOString(),
    mode,
    settings,
    bindings: deployment.bindings(),
    secrets: deployment.secrets(),
    databases,
    queues,
    volumes,
    cache: cacheKeeps,
    balance,
    backups: backup,
    search: index,
  });
}

async function part<T>(ask: () => Promise<T>): Promise<T | { error: string }> {
  try {
    return await ask();
  } catch (error) {
    return { error: describeError(error) };
  }
}

async function lastRun({ balancing, config }: BalanceDependencies) {
  if (balancing === null || config.apiUrl !== null) return null;
  const { current, runs, lost } = await balancing().status();
  const ended = runs.find(({ finishedAt }) => finishedAt !== null);
  return {
    current: current === null ? null : runRecord(current),
    last: ended === undefined ? null : runRecord(ended),
    lost: lost.length,
  };
}
