import { waitUntil } from 'cloudflare:workers';
import { createBalancing } from '../balance/handle.ts';
import { type BlockCache, createEdgeCache, NO_CACHE } from '../blocks/edge-cache.ts';
import { type Config, parseConfig } from '../config/config.ts';
import type { Env } from '../config/env.ts';
import { signingOf } from '../config/signing.ts';
import { egressGauges } from '../http/anonymous-egress.ts';
import { createGatheredFigures, type FigureShardHandle, type GatheredFigures } from '../http/gathered-figures.ts';
import { createQueues } from '../queues/queue-handles.ts';
import { createFederation, type Federation } from '../services/federation.ts';
import { createDirectory, type ServiceDirectory } from '../services/service-directory.ts';
import { SDK_TRANSFER_LIMITS } from '../services/transfer-limits.ts';
import { createBucketVolume } from '../storage/bucket-volume.ts';
import { instrumentStore } from '../storage/instrumented-store.ts';
import type { Mount } from '../storage/mounts.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import { createR2ObjectStore } from '../storage/r2-object-store.ts';
import { createS3ObjectStore } from '../storage/s3-object-store.ts';
import { deviceId, type VolumeConfig } from '../storage/volume-config.ts';
import type { Ga4ghDependencies } from '../surfaces/ga4gh/dependencies.ts';
import type { KeepWebDependencies } from '../surfaces/keep-web/dependencies.ts';
import { createCacheAside } from '../surfaces/keepproxy/cache-aside.ts';
import type { KeepProxy } from '../surfaces/keepproxy/proxy.ts';
import type { GetDependencies } from '../surfaces/keepstore/get.ts';
import type { LifecycleDependencies } from '../surfaces/keepstore/lifecycle.ts';
import { type OperationsDependencies, queueGauges } from '../surfaces/keepstore/operations.ts';
import type { PutDependencies } from '../surfaces/keepstore/put.ts';
import type { QueueListDependencies } from '../surfaces/keepstore/queue-lists.ts';
import { balanceGauges } from '../surfaces/operator/balance.ts';
import type { OperatorDependencies } from '../surfaces/operator/operator.ts';
import type { S3Dependencies } from '../surfaces/s3/dependencies.ts';
import type { WorkspaceDependencies } from '../surfaces/workspace/dependencies.ts';
import { peoplePages } from '../surfaces/workspace/people-pages.ts';
import { type AccountDependencies, composeAccounts } from './compose-accounts.ts';
import { createBlockWriting } from './compose-block-writing.ts';
import { composeDeployment } from './compose-deployment.ts';
import { composeGateways, type Gateways } from './compose-gateways.ts';
import { composeGa4gh, composeKeepWeb } from './compose-keep-web.ts';
import { composeLimits, type LimitDependencies } from './compose-limits.ts';
import { type BlockFill, composeReads, composeWriteDigests } from './compose-reads.ts';
import { composeS3 } from './compose-s3.ts';
import { composeWorkspace } from './compose-workspace.ts';
import { inSpan } from './spans.ts';
import { createStoreFigures } from './store-figures.ts';

/** All dependencies of the surfaces, built once per isolate. Each surface declares the part it uses. */
export interface Dependencies
  extends GetDependencies,
    PutDependencies,
    LifecycleDependencies,
    OperationsDependencies,
    QueueListDependencies,
    AccountDependencies,
    OperatorDependencies,
    LimitDependencies {
  config: Config;
  mounts: Mount[];
  /** Null: none is configured. */
  gateways: Gateways | null;
  directory: ServiceDirectory;
  /** What the entrypoint Block reads from. */
  fill: BlockFill;
  /** For a cluster without volumes here; null where this service keeps blocks itself. */
  proxy: KeepProxy | null;
  /** Bodies of unknown hash lie here where no volume is; null when it is not bound. */
  staging: ObjectStore | null;
  /** Null: no collections are bound. */
  downloads: KeepWebDependencies | null;
  /** Null where there are no downloads. */
  s3: S3Dependencies | null;
  /** Null: no collections are bound. */
  ga4gh: Ga4ghDependencies | null;
  workspace: WorkspaceDependencies;
}

export type CompositionResult = { ok: true; deps: Dependencies } | { ok: false; problems: string[] };

const built = new WeakMap<Env, CompositionResult>();

/** The deps for these bindings, or all that is wrong with the configuration. */
export function dependenciesOf(env: Env): CompositionResult {
  const known = built.get(env);
  if (known !== undefined) return known;
  const result = build(env);
  built.set(env, result);
  return result;
}

function build(env: Env): CompositionResult {
  const parsed = parseConfig(env);
  if (!parsed.ok) return parsed;
  const { config } = parsed;
  const mounts = config.volumes.map((volume) => createMount(volume, config, env));
  const signing = signingOf(config);
  const cache = config.edgeCache === 'off' ? NO_CACHE : createEdgeCache();
  const gateways = composeGateways(config, env);
  const { blocks, fill } = composeReads(config, env, mounts, cache, gateways === null ? [] : [gateways.all]);
  const directory = createServiceDirectory(config, env);
  const federation = federate(config, directory, cache);
  const queues = createQueues(env);
  const balancing = config.apiUrl === null ? createBalancing(env.BALANCER) : null;
  const accounts = composeAccounts(config, env, directory);
  const limits = composeLimits(config, env, accounts);
  const remote = { mounts, cache, federation };
  const staging = env.STAGING === undefined ? null : createR2ObjectStore(env.STAGING);
  const proxy =
    mounts.length === 0 && config.apiUrl !== null ? createProxy(config, federation, directory, cache, staging) : null;
  const blockWriting = createBlockWriting(config, mounts, proxy, staging, accounts.recordUpload);
  const workspace = composeWorkspace(config, env, accounts);
  const pages = peoplePages(workspace);
  const downloads = composeKeepWeb(
    config,
    env,
    accounts,
    { blocks, remote, signing },
    { destination: blockWriting, pages, ...limits },
  );
  const deps: Dependencies = {
    config,
    staging,
    mounts,
    writeDigests: composeWriteDigests(config),
    listed: [...mounts, ...(gateways?.mounts ?? [])],
    gateways,
    blocks,
    fill,
    directory,
    remote,
    proxy,
    signing,
    readSigning: config.blobSigning ? signing : null,
    manifestSigning: { key: signing, required: config.blobSigning },
    ...accounts,
    ...limits,
    search: accounts.api?.mode === 'embedded' ? accounts.api.search : null,
    eraseCollection: accounts.api?.mode === 'embedded' ? accounts.api.commits.erase : null,
    downloads,
    s3: composeS3(config, accounts, downloads),
    ga4gh: downloads === null ? null : composeGa4gh(config, downloads),
    workspace,
    queues,
    balancing,
    db: accounts.api?.mode === 'embedded' ? accounts.api.db : env.DB,
    figures: gatheredFigures(env),
    deployment: composeDeployment(config, env, mounts, queues),
    gauges: async () => [
      ...(queues === null ? [] : await queueGauges(queues)),
      ...(balancing === null ? [] : await balanceGauges(balancing).catch(() => [])),
      ...(limits.egress === null ? [] : await egressGauges(limits.egress).catch(() => [])),
    ],
  };
  return { ok: true, deps };
}

function gatheredFigures({ FIGURES: namespace }: Env): GatheredFigures | null {
  if (namespace === undefined) return null;
  const shardOf = (name: string) => namespace.getByName(name) as unknown as FigureShardHandle;
  return createGatheredFigures(shardOf, waitUntil, (ms) => scheduler.wait(ms));
}

function createServiceDirectory(config: Config, env: Env): ServiceDirectory {
  return createDirectory({
    kv: env.DIRECTORY ?? null,
    clusterId: config.clusterId,
    remoteClusterIds: Object.keys(config.remoteClusters),
    apiUrlOf: (id) => (id === config.clusterId ? config.apiUrl : (config.remoteClusters[id]?.apiUrl ?? null)),
    later: waitUntil,
  });
}

function federate(config: Config, directory: ServiceDirectory, keeper: BlockCache): Federation {
  const { clusterId, remoteClusters, keepHintUrl: hintUrl } = config;
  const limits = { ...SDK_TRANSFER_LIMITS, windowMs: config.transferWindowSeconds * 1000 };
  return createFederation({
    clusterId,
    directory,
    remoteClusterIds: Object.keys(remoteClusters),
    hintUrl,
    keeper,
    limits,
    ownServices: config.gateways.map(({ uuid }) => uuid),
  });
}

/** For a service without volumes beside a cluster. */
function createProxy(
  config: Config,
  federation: Federation,
  directory: ServiceDirectory,
  cache: BlockCache,
  staging: ObjectStore | null,
): KeepProxy {
  return {
    clientFor: (caller, service) => federation.home(caller, service).client,
    services: directory.services(config.clusterId),
    proofs: federation.proofs,
    cache,
    aside: staging ?? createCacheAside(),
    defaultReplication: config.defaultReplication,
    defaultClasses: Object.keys(config.storageClasses).filter((name) => config.storageClasses[name]?.default),
  };
}

/** A volume as a mount: trash is allowed on writable volumes, or where AllowTrashWhenReadOnly says so. */
function createMount(volume: VolumeConfig, config: Config, env: Env): Mount {
  const device = deviceId(volume);
  const store = instrumentStore(createStore(volume, env), createStoreFigures(device), (operation, act) =>
    inSpan(`store ${operation}`, { 'keep.device_id': device }, act),
  );
  const times = {
    ttlSeconds: config.blobSigningTtlSeconds,
    lifetimeSeconds: config.blobTrashLifetimeSeconds,
    raceWindowSeconds: volume.raceWindowSeconds,
  };
  const { prefixLength, unsafeDelete } = volume;
  const priorities = Object.entries(volume.storageClasses).map(([name, listed]) =>
    listed ? (config.storageClasses[name]?.priority ?? 0) : 0,
  );
  return {
    uuid: volume.uuid,
    deviceId: device,
    allowWrite: !volume.readOnly,
    allowTrash: !volume.readOnly || volume.allowTrashWhenReadOnly,
    ...(volume.near === null ? {} : { near: volume.near }),
    replication: volume.replication,
    storageClasses: volume.storageClasses,
    priority: Math.max(0, ...priorities),
    volume: createBucketVolume(store, { ...times, prefixLength, unsafeDelete, clock: Date.now }),
    store,
    prefixLength,
    raceWindowSeconds: volume.raceWindowSeconds,
  };
}

function createStore({ driver }: VolumeConfig, env: Env): ObjectStore {
  if (driver.kind === 'R2') return createR2ObjectStore(env[driver.binding] as R2Bucket);
  return createS3ObjectStore(driver);
}
