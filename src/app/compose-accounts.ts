import { waitUntil } from 'cloudflare:workers';
import { requireAccount } from '../accounts/access.ts';
import type { Account, Authority, User } from '../accounts/account.ts';
import { anonymousToken, withAnonymousToken } from '../accounts/anonymous.ts';
import { ensureBuiltIns } from '../accounts/built-ins.ts';
import { createClusterAuthority } from '../accounts/cluster-authority.ts';
import { memberOfClusterGroup } from '../accounts/cluster-groups.ts';
import { createClusterKeys } from '../accounts/cluster-s3-keys.ts';
import { createD1Authority } from '../accounts/d1-authority.ts';
import { createLinkStore } from '../accounts/links.ts';
import { rolesOf } from '../accounts/memberships.ts';
import { createNearReads } from '../accounts/near-reads.ts';
import { sweepLogs, sweepTokens } from '../accounts/retention.ts';
import { createDerivedKeys, type S3Keys, tokenCredential, withS3Sessions } from '../accounts/s3-keys.ts';
import { createSharingLinkStore } from '../accounts/sharing-links.ts';
import { withTokenCache } from '../accounts/token-cache.ts';
import { createTokenStore } from '../accounts/tokens.ts';
import { createUploadLog, type UploadLog } from '../accounts/upload-log.ts';
import { createUserStore } from '../accounts/users.ts';
import { type Backups, backupWatches, createBackups } from '../backups/backups.ts';
import type { WriterDependencies } from '../blocks/block-request.ts';
import { takeAudit } from '../collections/audit-trail.ts';
import { createClusterSource } from '../collections/cluster-source.ts';
import { createCollections } from '../collections/collections.ts';
import { createCommits } from '../collections/commits.ts';
import { createD1Source } from '../collections/d1-source.ts';
import { createGroups } from '../collections/groups.ts';
import { nameFiles } from '../collections/name-files.ts';
import type { CollectionSource } from '../collections/source.ts';
import { sweepUploads } from '../collections/uploads/upload-rows.ts';
import { sweepVersions } from '../collections/versions.ts';
import type { Config } from '../config/config.ts';
import type { Env } from '../config/env.ts';
import { signingOf } from '../config/signing.ts';
import type { RequestContext } from '../http/context.ts';
import { isToken } from '../keep/token.ts';
import { systemUserUuid } from '../records/ids.ts';
import { watchedDatabase } from '../records/watched-database.ts';
import { createSearch } from '../search/search.ts';
import type { ServiceDirectory } from '../services/service-directory.ts';
import type { ApiDependencies, ClusterFacts } from '../surfaces/arvados/call.ts';
import { createWebhooks } from '../webhooks/webhooks.ts';
import { inSpan } from './spans.ts';
import { tellingCreates } from './tell-events.ts';

/** Accounts, permissions and collections. */
export interface AccountDependencies extends ApiDependencies, WriterDependencies {
  authority: Authority;
  /** Key pairs for S3. */
  s3Keys: S3Keys;
  /** Opens what is public; null where that is the cluster's to say. */
  anonymousToken: string | null;
  /** Null: neither a database nor a cluster is bound. */
  collectionSource: CollectionSource | null;
  /** Null: accounts and collections are not kept here. */
  backups: Backups | null;
  /** The cron handler's work on accounts and collections. */
  sweepCollections: () => Promise<void>;
  /** Whether a token was accepted within TOKEN_CACHE_TTL, in this isolate. */
  knowsToken(token: string): Promise<boolean>;
  /** Of these groups, the first that the user is a member of now; null for none. */
  memberOf(context: RequestContext, user: User, groups: readonly string[]): Promise<string | null>;
}

/** Steps of 500 events in one run of the cron; each is four statements. */
const AUDIT_STEPS = 40;
const NO_ACCOUNTS: Authority = { identify: () => Promise.resolve(null) };
const NO_KEYS: S3Keys = {
  credential: (accessKey) => Promise.resolve(tokenCredential(accessKey)),
  pairOf: () => null,
};

/**
 * The cluster's API server is the authority where there is one (API_HOST); otherwise our own database is; without
 * either only the root token opens anything.
 */
export function composeAccounts(config: Config, env: Env, directory: ServiceDirectory): AccountDependencies {
  const logsDb = env.LOGS_DB ?? env.DB;
  const uploads = logsDb === undefined ? null : createUploadLog(logsDb, (ms) => scheduler.wait(ms));
  if (config.apiUrl !== null) return besideCluster(config, config.apiUrl, env, uploads);
  const { DB: db, MANIFESTS: manifests } = env;
  if (db === undefined || manifests === undefined || logsDb === undefined || uploads === null) {
    return {
      ...guard(config, NO_ACCOUNTS, null),
      s3Keys: NO_KEYS,
      anonymousToken: null,
      api: null,
      collectionSource: null,
      backups: null,
      sweepCollections: async () => {},
      knowsToken: () => Promise.resolve(false),
      memberOf: () => Promise.resolve(null),
    };
  }
  return embedded(config, {
    db,
    logsDb,
    searchDb: env.SEARCH,
    manifests,
    uploads,
    directory,
    commits: env.COLLECTION,
    webhookQueue: env.WEBHOOK_QUEUE,
  });
}

function besideCluster(
  config: Config,
  apiUrl: string,
  { DB, LOGS_DB, COLLECTION }: Env,
  uploads: UploadLog | null,
): AccountDependencies {
  const logsDb = LOGS_DB ?? DB;
  const cached = withTokenCache(traced(createClusterAuthority(apiUrl)), config.tokenCacheTtlSeconds, Date.now);
  const guarded = guard(config, cached, uploads);
  return {
    ...guarded,
    s3Keys: createClusterKeys(apiUrl, config.systemRootToken, config.tokenCacheTtlSeconds, Date.now),
    anonymousToken: null,
    api: {
      mode: 'cluster',
      apiUrl,
      forward: config.apiForward,
      uploadLog: logsDb === undefined || uploads === null ? null : { logsDb, uploads },
      authority: guarded.authority,
      commits: COLLECTION === undefined ? null : createCommits(COLLECTION),
    },
    collectionSource: createClusterSource(apiUrl),
    knowsToken: cached.knows,
    memberOf: ({ tokens, signal }, user, groups) => memberOfClusterGroup(apiUrl, tokens[0] ?? '', user, groups, signal),
    backups: null,
    sweepCollections: async () => {
      await uploads?.flush();
      for (const db of new Set([DB, LOGS_DB])) if (db !== undefined) await sweepLogs(db, config.retention, Date.now());
    },
  };
}

function embedded(
  config: Config,
  {
    db: bare,
    logsDb: bareLogs,
    searchDb,
    manifests,
    uploads,
    directory,
    commits,
    webhookQueue,
  }: {
    db: D1Database;
    logsDb: D1Database;
    searchDb: D1Database | undefined;
    manifests: R2Bucket;
    uploads: UploadLog;
    directory: ServiceDirectory;
    commits: DurableObjectNamespace | undefined;
    webhookQueue: DurableObjectNamespace | undefined;
  },
): AccountDependencies {
  const { clusterId } = config;
  const facts = factsOf(config);
  const db = watchedDatabase(bare, backupWatches({ db: bare, manifests, later: waitUntil }));
  const logsDb = bareLogs === bare ? db : bareLogs;
  const setup = {
    db,
    manifests,
    clusterId,
    defaultStorageClasses: defaultClasses(config),
    // A signature must not outlive the collection that it was given out for.
    trashLifetimeSeconds: Math.max(config.blobSigningTtlSeconds, config.defaultTrashLifetimeSeconds),
    versions: config.versions,
    now: Date.now,
  };
  const webhooks = createWebhooks(webhookQueue, config.webhooks, waitUntil);
  const collections = tellingCreates(createCollections(setup), webhooks);
  const committing = createCommits(commits);
  const near = createNearReads(db, config.tokenCacheTtlSeconds, Date.now);
  const search = createSearch(db, searchDb, Date.now, waitUntil);
  const tokens = createD1Authority(db, Date.now, { seesUsers: config.usersSeeEachOther, later: waitUntil });
  const s3Keys = createDerivedKeys(config.s3KeySecret ?? config.systemRootToken);
  const cached = withTokenCache(
    traced(withS3Sessions(s3Keys, tokens.identifyUuid, tokens)),
    config.tokenCacheTtlSeconds,
    Date.now,
  );
  const publicToken = anonymousToken(clusterId, config.systemRootToken);
  const guarded = guard(config, withAnonymousToken(publicToken, clusterId, cached), uploads);
  return {
    ...guarded,
    s3Keys,
    anonymousToken: publicToken,
    api: {
      mode: 'embedded',
      db,
      logsDb,
      authority: { ...guarded.authority, forget: cached.forget, knows: cached.knows },
      users: createUserStore(db, clusterId, Date.now),
      tokens: createTokenStore(db, clusterId, Date.now),
      collections,
      commits: committing,
      groups: createGroups(setup),
      links: createLinkStore(db, clusterId, Date.now),
      sharingLinks: createSharingLinkStore(db, clusterId, Date.now),
      search,
      webhooks,
      near,
      builtIns: once(() => ensureBuiltIns(db, clusterId, Date.now())),
      uploads,
      directory,
      signing: {
        key: signingOf(config),
        required: config.blobSigning,
      },
      facts: { ...facts, anonymousToken: publicToken },
    },
    collectionSource: createD1Source(setup, collections, guarded.authority, near),
    knowsToken: cached.knows,
    memberOf: async (_, user, groups) => {
      const roles = await rolesOf(db, user.uuid);
      return groups.find((group) => roles.some(({ uuid }) => uuid === group)) ?? null;
    },
    backups: createBackups({ db: bare, manifests, later: waitUntil }, () => search.restart()),
    sweepCollections: async () => {
      const swept = await sweepVersions(db, config.versions.maxAgeSeconds, Date.now());
      for (const uuid of new Set([...swept, ...(await collections.sweep())])) await committing.sweepBackups(uuid);
      await sweepUploads(bare, Date.now(), committing.dropParts);
      await nameFiles(db, manifests);
      await search.keepUp();
      await takeAudit(db, logsDb, clusterId, AUDIT_STEPS);
      await uploads.flush();
      // Both: rows from before LOGS_DB was bound stay in DB.
      for (const from of new Set([bare, bareLogs])) await sweepLogs(from, config.retention, Date.now());
      await sweepTokens(db, config.retention, Date.now());
    },
  };
}

/** What the cache does not know is looked up in a span. */
function traced({ identify }: Authority): Authority {
  return { identify: (token, signal) => inSpan('look up token', {}, () => identify(token, signal)) };
}

function guard(config: Config, accounts: Authority, uploads: UploadLog | null) {
  const authority = withRootToken(config.systemRootToken, config.clusterId, accounts);
  return {
    authority,
    requireWriter: async (context: Parameters<WriterDependencies['requireWriter']>[0]) => {
      const { user } = await requireAccount(authority, context);
      if (user !== null) context.log.userUUID = user.uuid;
      return user?.uuid ?? '';
    },
    recordUpload: (
      context: Parameters<WriterDependencies['recordUpload']>[0],
      hash: string,
      size: number,
      userUuid: string,
    ) => uploads?.record({ hash, size, userUuid, at: Math.floor(context.now * 1000) }, context.waitUntil),
  };
}

/** Does the work until it has succeeded once. Requests do not wait for each other's promises, so two may do it. */
function once(work: () => Promise<void>): () => Promise<void> {
  let done = false;
  return async () => {
    if (done) return;
    await work();
    done = true;
  };
}

function factsOf(config: Config): Omit<ClusterFacts, 'anonymousToken'> {
  return {
    clusterId: config.clusterId,
    blobSigningTtlSeconds: config.blobSigningTtlSeconds,
    trashLifetimeSeconds: config.defaultTrashLifetimeSeconds,
    versioning: config.versions.automatic,
    defaultReplication: Math.max(1, config.defaultReplication),
    possibleReplication: possibleReplication(config),
    gateways: config.gateways.map(({ uuid, name }) => ({ uuid, name })),
    storageClasses: config.storageClasses,
    remoteClusters: Object.keys(config.remoteClusters),
    downloadUrl: config.downloads.downloadUrl,
  };
}

function possibleReplication(config: Config): number {
  const classes = defaultClasses(config);
  const writable = config.volumes.filter(
    ({ readOnly, storageClasses }) => !readOnly && classes.some((name) => Object.hasOwn(storageClasses, name)),
  );
  return Math.max(
    1,
    writable.reduce((sum, { replication }) => sum + replication, 0),
  );
}

function defaultClasses({ storageClasses }: Config): string[] {
  const names = Object.keys(storageClasses).filter((name) => storageClasses[name]?.default === true);
  return names.length === 0 ? ['default'] : names;
}

/** The root token comes from the secret, never from a table; the next authority decides about every other token. */
export function withRootToken(systemRootToken: string, clusterId: string, next: Authority): Authority {
  const root: Account = {
    user: { uuid: systemUserUuid(clusterId), isAdmin: true, isActive: true, username: 'root', fullName: 'Root' },
    scopes: ['all'],
    tokenUuid: null,
    expiresAt: null,
  };
  return {
    identify: (token, signal) =>
      isToken(token, systemRootToken) ? Promise.resolve(root) : next.identify(token, signal),
  };
}
