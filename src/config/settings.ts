import * as v from 'valibot';
import { hostList, origin, ownHosts } from './addresses.ts';
import { byteCount, count, duration, flag, secret, share } from './kinds.ts';

/** Vars and secrets that are a line of text each; tables are read by files of their own. */
export const Vars = v.object({
  CLUSTER_ID: v.pipe(
    v.string('missing: five letters or digits'),
    v.regex(/^[a-z0-9]{5}$/, 'five lowercase letters or digits'),
  ),
  SYSTEM_ROOT_TOKEN: secret,
  MANAGEMENT_TOKEN: v.optional(secret),
  BLOB_SIGNING: flag(true),
  // No length rule: the key must be the cluster's own, whatever it is.
  BLOB_SIGNING_KEY: v.pipe(
    v.string(
      "missing: set it with `wrangler secret put`; beside a cluster it is the cluster's own Collections.BlobSigningKey",
    ),
    v.minLength(1, 'must not be empty'),
  ),
  BLOB_SIGNING_TTL: duration('336h'),
  BLOB_TRASH: flag(true),
  BLOB_TRASH_LIFETIME: duration('336h'),
  BLOB_TRASH_CHECK_INTERVAL: duration('24h'),
  BLOB_TRASH_CONCURRENCY: count(4),
  BLOB_DELETE_CONCURRENCY: count(4),
  BLOB_REPLICATE_CONCURRENCY: count(6),
  PULL_HOSTS: hostList,
  VERIFY_READS: v.optional(
    v.picklist(['attested', 'ranges', 'always'], 'write "attested", "ranges" or "always"'),
    'attested',
  ),
  // true and false are what earlier versions knew.
  EDGE_CACHE: v.optional(
    v.pipe(
      v.union(
        [v.boolean(), v.picklist(['true', 'false', 'tiered', 'local', 'off'])],
        'write "tiered", "local" or "off"',
      ),
      v.transform((value) => {
        if (value === 'tiered' || value === 'local' || value === 'off') return value;
        return String(value) === 'true' ? ('local' as const) : ('off' as const);
      }),
    ),
    'local',
  ),
  HEDGED_READS: flag(true),
  DEFAULT_REPLICATION: count(2),
  BLOB_MISSING_REPORT: v.optional(v.string(), ''),
  BALANCE_PERIOD: duration('0s'),
  BALANCE_COLLECTION_BATCH: count(500),
  BALANCE_TRASH_LIMIT: count(100_000),
  BALANCE_PULL_LIMIT: count(100_000),
  BALANCE_MAX_TRASH_SHARE: share(0.2),
  API_HOST: v.optional(
    v.pipe(
      v.string(),
      v.regex(/^((https?:\/\/)?[A-Za-z0-9.[\]:-]+\/?)?$/, "write host or host:port of the cluster's API server"),
      v.transform((host) =>
        host === '' ? null : `${host.includes('://') ? '' : 'https://'}${host.replace(/\/$/, '')}`,
      ),
    ),
    '',
  ),
  API_FORWARD: flag(true),
  TOKEN_CACHE_TTL: duration('1m'),
  DEFAULT_TRASH_LIFETIME: duration('336h'),
  ACTIVATED_USERS_ARE_VISIBLE_TO_OTHERS: flag(true),
  BACKUP_LIFETIME: duration('720h'),
  COLLECTION_VERSIONING: flag(false),
  PRESERVE_VERSION_IF_IDLE: duration('10s', true),
  COLLECTION_VERSIONS_MAX_AGE: duration('8760h'),
  REPACKED_VERSIONS_MAX_AGE: duration('720h'),
  REPACK_IDLE: duration('1h'),
  LOGS_MAX_AGE: duration('8760h'),
  AUDIT_MAX_AGE: duration('43800h'),
  UPLOADS_MAX_AGE: duration('8760h'),
  EXPIRED_TOKENS_MAX_AGE: duration('8760h'),
  S3_ENDPOINT: origin,
  S3_KEY_SECRET: v.optional(secret),
  WEBHOOK_SECRET: v.optional(secret),
  WEBDAV: ownHosts,
  BLOB_SIGNING_KEY_PREVIOUS: v.optional(v.string(), ''),
  WEBDAV_DOWNLOAD: origin,
  WORKBENCH2: origin,
  TRUST_ALL_CONTENT: flag(false),
  ANONYMOUS_EGRESS_PER_DAY: byteCount,
  ANONYMOUS_USER_TOKEN: v.optional(v.string(), ''),
  WEBDAV_CACHE_TTL: duration('5s'),
  READ_STALENESS: duration('0s'),
  WEBDAV_LOG_EVENTS: flag(true),
  WEBDAV_LOG_DOWNLOAD_INTERVAL: duration('30s'),
  DRS_URL_TTL: duration('12h'),
  WEBDAV_LITTER: v.optional(v.picklist(['keep', 'drop', 'refuse'], 'write keep, drop or refuse'), 'keep'),
  FORWARD_SLASH_NAME_SUBSTITUTION: v.optional(v.string(), ''),
  TRANSFER_WINDOW: duration('64s'),
  KEEP_HINT_URL: v.optional(
    v.pipe(
      v.string(),
      v.regex(
        /^https?:\/\/[^/@\s]+$|^$/,
        'write scheme and host, a star for the cluster id, or "" to follow no such hints',
      ),
      v.transform((url) => url || null),
    ),
    'https://keep.*.arvadosapi.com',
  ),
});

export const StorageClasses = v.record(
  v.string(),
  v.object({ Priority: v.optional(v.number(), 0), Default: v.optional(v.boolean(), false) }),
);

const Allowed = v.optional(v.boolean(), true);
const MayTransfer = v.optional(v.object({ Download: Allowed, Upload: Allowed }), {});
export const WebdavPermission = v.object({ User: MayTransfer, Admin: MayTransfer });
