import { cacheUrl } from '../blocks/cache-keys.ts';
import { probeMount } from '../blocks/probe-mount.ts';
import type { Config } from '../config/config.ts';
import type { Env } from '../config/env.ts';
import { secretStates } from '../config/secrets.ts';
import type { Queues } from '../queues/queue-handles.ts';
import { MIGRATIONS } from '../records/migrations.ts';
import { schemaState } from '../records/schema-state.ts';
import type { Mount } from '../storage/mounts.ts';
import type { Deployment, QueueFacts } from '../surfaces/operator/deployment.ts';

const BINDINGS = [
  'DB',
  'SEARCH',
  'LOGS_DB',
  'MANIFESTS',
  'DIRECTORY',
  'ASSETS',
  'STAGING',
  'PULL_QUEUE',
  'TRASH_QUEUE',
  'REPAIR_QUEUE',
  'COLLECTION',
  'BALANCER',
  'FIGURES',
  'WEBHOOK_QUEUE',
  'PLACES',
  'ADOPTION',
];
const DATABASES = ['DB', 'SEARCH', 'LOGS_DB'] as const;
const CACHE_SECONDS = 60;

/** What a deployment can say of itself: for `keep-edge doctor`. No value of a secret leaves this file. */
export function composeDeployment(config: Config, env: Env, mounts: Mount[], queues: Queues | null): Deployment {
  return {
    bindings: () => Object.fromEntries(BINDINGS.map((name) => [name, env[name] !== undefined])),
    secrets: () => secretStates(env),
    databases: () =>
      DATABASES.flatMap((binding) => {
        const db = env[binding];
        return db === undefined ? [] : [{ binding, state: () => schemaState(db, MIGRATIONS[binding]) }];
      }),
    queues: () => (queues === null ? Promise.resolve(null) : factsOf(queues)),
    volumes: (write) => Promise.all(mounts.map((mount) => probeMount(mount, write))),
    cacheKeeps,
    settings: {
      mode: config.apiUrl === null ? 'own' : mounts.length > 0 ? 'cluster' : 'proxy',
      blobSigning: config.blobSigning,
      blobTrash: config.blobTrash,
      edgeCache: config.edgeCache,
      balancePeriodSeconds: config.balance.periodSeconds,
      collectionsUrl: config.downloads.collectionsUrl,
      trustAllContent: config.downloads.trustAllContent,
      webhooks: config.webhooks.length,
      gateways: config.gateways.length,
    },
  };
}

async function factsOf(queues: Queues): Promise<Record<string, QueueFacts>> {
  const kinds = ['pull', 'trash', 'repair'] as const;
  const facts = await Promise.all(
    kinds.map(async (kind): Promise<[string, QueueFacts][]> => {
      const status = await queues[kind]?.status();
      if (status === undefined) return [];
      const { isWorking, pending, inProgress, list, wokenAt, lastErrors } = status;
      const since = list.lastSettledAt ?? list.startedAt ?? list.receivedAt;
      return [[kind, { isWorking, pending, inProgress, since, wokenAt, lastError: lastErrors[0]?.message ?? null }]];
    }),
  );
  return Object.fromEntries(facts.flat());
}

/** Whether the Cache API gives back what it is given: on `*.workers.dev` and behind Cloudflare Access it does not. */
async function cacheKeeps(): Promise<boolean> {
  const cache = await caches.open('keep-edge-doctor');
  const url = cacheUrl('doctor', crypto.randomUUID());
  await cache.put(url, new Response('kept', { headers: { 'Cache-Control': `max-age=${CACHE_SECONDS}` } }));
  const found = await cache.match(url);
  await found?.body?.cancel();
  return found !== undefined;
}
