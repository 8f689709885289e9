import * as v from 'valibot';
import type { GatewayConfig } from '../gateways/gateway-config.ts';
import type { VolumeConfig } from '../storage/volume-config.ts';
import type { Webhook } from '../webhooks/webhook.ts';
import { conflicts } from './conflicts.ts';
import { parseGateways } from './gateways.ts';
import { unboundLimits } from './limits.ts';
import { type OidcSettings, parseOidc } from './oidc.ts';
import { parseRemoteClusters, type RemoteCluster } from './remote-clusters.ts';
import { StorageClasses, Vars, WebdavPermission } from './settings.ts';
import { parseVolumes } from './volumes.ts';
import { parseWebhooks } from './webhooks.ts';

/** Everything an operator can set, checked and frozen. Names follow the cluster's config.yml; times are seconds. */
export interface Config {
  clusterId: string;
  systemRootToken: string;
  /** Null: /metrics and /_health/ping are closed. */
  managementToken: string | null;
  blobSigning: boolean;
  blobSigningKey: string;
  /** Null when no key is being changed. */
  blobSigningKeyPrevious: string | null;
  blobSigningTtlSeconds: number;
  blobTrash: boolean;
  blobTrashLifetimeSeconds: number;
  /** 0 switches the emptier off. */
  blobTrashCheckIntervalSeconds: number;
  blobTrashConcurrency: number;
  blobDeleteConcurrency: number;
  blobReplicateConcurrency: number;
  /** Hosts, with a port if that matters, that blocks may be pulled from; empty for all. */
  pullHosts: string[];
  /** attested: trust an MD5 that the store keeps; ranges: hash parts of blocks all the same; always: hash everything. */
  verifyReads: 'attested' | 'ranges' | 'always';
  /** local: the data centre's Cache API; tiered: the platform's cache in front of the entrypoint Block. */
  edgeCache: 'tiered' | 'local' | 'off';
  /** Whether a slow mount's read is begun at the next one, too. */
  hedgedReads: boolean;
  /** Ascending UUID. Empty in proxy mode. */
  volumes: VolumeConfig[];
  /** Ascending UUID. */
  gateways: GatewayConfig[];
  defaultReplication: number;
  balance: BalanceConfig;
  storageClasses: Record<string, { priority: number; default: boolean }>;
  /** Origin of the cluster's API server; null: accounts and collections are our own, on D1. */
  apiUrl: string | null;
  /** Beside a cluster: pass API requests on to it, rather than refuse them. */
  apiForward: boolean;
  /** How long an accepted token is cached, and so how long a revoked one may still work. */
  tokenCacheTtlSeconds: number;
  /** Whether active users see each other's records, so that they can share with each other. */
  usersSeeEachOther: boolean;
  /** How long a trashed collection can be brought back. */
  defaultTrashLifetimeSeconds: number;
  /** How long a deleted collection can be restored from its backup. */
  backupLifetimeSeconds: number;
  /** How long a collection has been left alone before its small blocks are packed; 0: never. */
  repackIdleSeconds: number;
  /** Past versions of collections: collections/versions.ts. */
  versions: { automatic: boolean; idleSeconds: number; maxAgeSeconds: { kept: number; repacked: number } };
  /** How long logs, uploads and expired tokens are kept, in seconds; 0: for ever. */
  retention: { logsSeconds: number; auditSeconds: number; uploadsSeconds: number; expiredTokensSeconds: number };
  downloads: DownloadConfig;
  /** S3_ENDPOINT: scheme and host where everything is S3's; null when it is not set. */
  s3Endpoint: string | null;
  /** Secret keys of S3 are derived from it; null: from the root token. */
  s3KeySecret: string | null;
  remoteClusters: Record<string, RemoteCluster>;
  webhooks: Webhook[];
  /** WEBHOOK_SECRET; null without webhooks. */
  webhookSecret: string | null;
  /** ANONYMOUS_EGRESS_PER_DAY: bytes of files and blocks for readers without an account; null: no cap. */
  anonymousEgressPerDay: number | null;
  /** The OpenID provider that people sign in with; null when there is none. */
  oidc: OidcSettings | null;
  /** A transfer from or to another Keep service that stays below 32,768 bytes/s this long is broken off. */
  transferWindowSeconds: number;
  /** Where +K@xxxxx hints lead, a star for the cluster's id; null when they are not followed. */
  keepHintUrl: string | null;
}

/** keep-web's keys; what they mean is said in surfaces/keep-web/dependencies.ts. */
export interface DownloadConfig {
  downloadUrl: string | null;
  /** WEBDAV: addresses of collections' own hosts, with `*` where the UUID goes; null when there are none. */
  collectionsUrl: string | null;
  workbenchUrl: string | null;
  trustAllContent: boolean;
  anonymousToken: string | null;
  openTtlSeconds: number;
  readStalenessSeconds: number;
  logEvents: boolean;
  logIntervalSeconds: number;
  /** DRS_URL_TTL: how long addresses with a ticket open a file. */
  ticketTtlSeconds: number;
  slashSubstitution: string;
  mayDownload: { user: boolean; admin: boolean };
  mayUpload: { user: boolean; admin: boolean };
  /** What becomes of files that file managers leave behind (`._*`, `.DS_Store`, `Thumbs.db`, `desktop.ini`). */
  litter: 'keep' | 'drop' | 'refuse';
}

/** The cluster's Balance* keys; what they mean is said in docs/operate.md. */
export interface BalanceConfig {
  /** Seconds between runs; 0: no runs by themselves. */
  periodSeconds: number;
  collectionBatch: number;
  /** Key in the bucket MANIFESTS of the list of lost blocks; '' writes none. */
  missingReport: string;
  trashLimit: number;
  pullLimit: number;
  /** 0 to 1. */
  maxTrashShare: number;
}

export type ConfigResult = { ok: true; config: Config } | { ok: false; problems: string[] };

/** A key that is there without a value is told its own advice; one that is absent would only be "invalid". */
const ABSENT = Object.fromEntries(Object.keys(Vars.entries).map((name) => [name, undefined]));

/** Judges vars and secrets. All problems come at once, each as `NAME: what to write`. Never echoes a value: it may be a secret. */
export function parseConfig(env: Record<string, unknown>): ConfigResult {
  const problems: string[] = [];
  const vars = v.safeParse(Vars, { ...ABSENT, ...env });
  if (!vars.success) problems.push(...vars.issues.map(problemOf));
  const classes = v.safeParse(StorageClasses, table(env, 'STORAGE_CLASSES', problems));
  if (!classes.success) problems.push(...classes.issues.map((issue) => `STORAGE_CLASSES.${problemOf(issue)}`));
  const permission = v.safeParse(WebdavPermission, table(env, 'WEBDAV_PERMISSION', problems));
  if (!permission.success) problems.push(...permission.issues.map((issue) => `WEBDAV_PERMISSION.${problemOf(issue)}`));
  const volumes = parseVolumes(table(env, 'VOLUMES', problems), env, problems);
  const gateways = parseGateways(table(env, 'GATEWAYS', problems), env, env.CLUSTER_ID, problems);
  const remoteClusters = parseRemoteClusters(table(env, 'REMOTE_CLUSTERS', problems), problems);
  const webhooks = parseWebhooks(table(env, 'WEBHOOKS', problems), env, problems);
  const oidc = parseOidc(env, problems);
  problems.push(...unboundLimits(env));
  problems.push(...conflicts(volumes, gateways, classes.success ? classes.output : {}));
  if (!vars.success || !classes.success || !permission.success || problems.length > 0) return { ok: false, problems };
  const o = vars.output;
  const config: Config = {
    clusterId: o.CLUSTER_ID,
    systemRootToken: o.SYSTEM_ROOT_TOKEN,
    managementToken: o.MANAGEMENT_TOKEN ?? null,
    blobSigning: o.BLOB_SIGNING,
    blobSigningKey: o.BLOB_SIGNING_KEY,
    blobSigningKeyPrevious: o.BLOB_SIGNING_KEY_PREVIOUS || null,
    blobSigningTtlSeconds: o.BLOB_SIGNING_TTL,
    blobTrash: o.BLOB_TRASH,
    blobTrashLifetimeSeconds: o.BLOB_TRASH_LIFETIME,
    blobTrashCheckIntervalSeconds: o.BLOB_TRASH_CHECK_INTERVAL,
    blobTrashConcurrency: o.BLOB_TRASH_CONCURRENCY,
    blobDeleteConcurrency: o.BLOB_DELETE_CONCURRENCY,
    blobReplicateConcurrency: o.BLOB_REPLICATE_CONCURRENCY,
    pullHosts: o.PULL_HOSTS,
    verifyReads: o.VERIFY_READS,
    edgeCache: o.EDGE_CACHE,
    hedgedReads: o.HEDGED_READS,
    volumes,
    gateways,
    defaultReplication: o.DEFAULT_REPLICATION,
    balance: {
      periodSeconds: o.BALANCE_PERIOD,
      collectionBatch: o.BALANCE_COLLECTION_BATCH,
      missingReport: o.BLOB_MISSING_REPORT,
      trashLimit: o.BALANCE_TRASH_LIMIT,
      pullLimit: o.BALANCE_PULL_LIMIT,
      maxTrashShare: o.BALANCE_MAX_TRASH_SHARE,
    },
    apiUrl: o.API_HOST,
    apiForward: o.API_FORWARD,
    tokenCacheTtlSeconds: o.TOKEN_CACHE_TTL,
    defaultTrashLifetimeSeconds: o.DEFAULT_TRASH_LIFETIME,
    usersSeeEachOther: o.ACTIVATED_USERS_ARE_VISIBLE_TO_OTHERS,
    backupLifetimeSeconds: o.BACKUP_LIFETIME,
    repackIdleSeconds: o.REPACK_IDLE,
    versions: {
      automatic: o.COLLECTION_VERSIONING,
      idleSeconds: o.PRESERVE_VERSION_IF_IDLE,
      maxAgeSeconds: { kept: o.COLLECTION_VERSIONS_MAX_AGE, repacked: o.REPACKED_VERSIONS_MAX_AGE },
    },
    retention: {
      logsSeconds: o.LOGS_MAX_AGE,
      auditSeconds: o.AUDIT_MAX_AGE,
      uploadsSeconds: o.UPLOADS_MAX_AGE,
      expiredTokensSeconds: o.EXPIRED_TOKENS_MAX_AGE,
    },
    downloads: {
      collectionsUrl: o.WEBDAV,
      downloadUrl: o.WEBDAV_DOWNLOAD,
      workbenchUrl: o.WORKBENCH2,
      trustAllContent: o.TRUST_ALL_CONTENT,
      anonymousToken: o.ANONYMOUS_USER_TOKEN || null,
      openTtlSeconds: o.WEBDAV_CACHE_TTL,
      readStalenessSeconds: o.READ_STALENESS,
      logEvents: o.WEBDAV_LOG_EVENTS,
      logIntervalSeconds: o.WEBDAV_LOG_DOWNLOAD_INTERVAL,
      ticketTtlSeconds: o.DRS_URL_TTL,
      slashSubstitution: o.FORWARD_SLASH_NAME_SUBSTITUTION,
      litter: o.WEBDAV_LITTER,
      mayUpload: { user: permission.output.User.Upload, admin: permission.output.Admin.Upload },
      mayDownload: { user: permission.output.User.Download, admin: permission.output.Admin.Download },
    },
    s3Endpoint: o.S3_ENDPOINT,
    s3KeySecret: o.S3_KEY_SECRET ?? null,
    remoteClusters,
    webhooks,
    oidc,
    anonymousEgressPerDay: o.ANONYMOUS_EGRESS_PER_DAY,
    webhookSecret: o.WEBHOOK_SECRET ?? null,
    transferWindowSeconds: o.TRANSFER_WINDOW,
    keepHintUrl: o.KEEP_HINT_URL,
    storageClasses: Object.fromEntries(
      Object.entries(classes.output).map(([name, { Priority, Default }]) => [
        name,
        { priority: Priority, default: Default },
      ]),
    ),
  };
  return { ok: true, config: Object.freeze(config) };
}

function problemOf(issue: v.BaseIssue<unknown>): string {
  return `${v.getDotPath(issue) ?? '?'}: ${issue.message}`;
}

/** A table under [vars], or the same as JSON text in `.dev.vars`. */
function table(env: Record<string, unknown>, name: string, problems: string[]): unknown {
  const value = env[name] ?? {};
  if (typeof value !== 'string') return value;
  try {
    return JSON.parse(value) as unknown;
  } catch {
    problems.push(`${name}: write a TOML table under [vars] in wrangler.toml, or JSON in .dev.vars`);
    return {};
  }
}
