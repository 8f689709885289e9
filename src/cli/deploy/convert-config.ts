import { CliError } from '../cli-error.ts';
import { convertVolumes } from './convert-volumes.ts';

type Table = Record<string, unknown>;

export interface Converted {
  /** What belongs below [vars] in wrangler.toml. */
  vars: Table;
  secrets: Record<string, string>;
  /** Remarks for the user, a sentence each. */
  notes: string[];
}

/** Scalars: the cluster's key -> our var. Absent keys stay absent: the defaults are the same. */
const SCALARS: [path: string, name: string][] = [
  ['Collections.BlobSigning', 'BLOB_SIGNING'],
  ['Collections.BlobSigningTTL', 'BLOB_SIGNING_TTL'],
  ['Collections.BlobTrash', 'BLOB_TRASH'],
  ['Collections.BlobTrashLifetime', 'BLOB_TRASH_LIFETIME'],
  ['Collections.BlobTrashCheckInterval', 'BLOB_TRASH_CHECK_INTERVAL'],
  ['Collections.BlobTrashConcurrency', 'BLOB_TRASH_CONCURRENCY'],
  ['Collections.BlobDeleteConcurrency', 'BLOB_DELETE_CONCURRENCY'],
  ['Collections.BlobReplicateConcurrency', 'BLOB_REPLICATE_CONCURRENCY'],
  ['Collections.DefaultReplication', 'DEFAULT_REPLICATION'],
  ['Collections.DefaultTrashLifetime', 'DEFAULT_TRASH_LIFETIME'],
  ['Collections.TrustAllContent', 'TRUST_ALL_CONTENT'],
  ['Collections.ForwardSlashNameSubstitution', 'FORWARD_SLASH_NAME_SUBSTITUTION'],
  ['Collections.WebDAVCache.TTL', 'WEBDAV_CACHE_TTL'],
  ['Collections.WebDAVLogEvents', 'WEBDAV_LOG_EVENTS'],
  ['Collections.WebDAVLogDownloadInterval', 'WEBDAV_LOG_DOWNLOAD_INTERVAL'],
];
const ADDRESSES: [path: string, name: string][] = [
  ['Services.WebDAVDownload.ExternalURL', 'WEBDAV_DOWNLOAD'],
  ['Services.Workbench2.ExternalURL', 'WORKBENCH2'],
];
const SECRETS: [path: string, name: string][] = [
  ['SystemRootToken', 'SYSTEM_ROOT_TOKEN'],
  ['ManagementToken', 'MANAGEMENT_TOKEN'],
  ['Collections.BlobSigningKey', 'BLOB_SIGNING_KEY'],
  ['Users.AnonymousUserToken', 'ANONYMOUS_USER_TOKEN'],
];
const REQUIRED_SECRETS = new Set(['SYSTEM_ROOT_TOKEN', 'BLOB_SIGNING_KEY']);

/** @throws CliError when the file is no cluster configuration, or does not say which cluster */
export function convertConfig(document: unknown, clusterId?: string): Converted {
  const clusters = at(document, 'Clusters');
  if (!isTable(clusters)) throw new CliError('This is no Arvados config.yml: it has no Clusters.');
  const ids = Object.keys(clusters);
  const id = clusterId ?? (ids.length === 1 ? ids[0] : undefined);
  const cluster = id === undefined ? undefined : clusters[id];
  if (id === undefined || !isTable(cluster))
    throw new CliError(`Which cluster? The file has: ${ids.join(', ')}. Name one with --cluster.`);

  const notes: string[] = [];
  const secrets: Record<string, string> = {};
  const vars: Table = { CLUSTER_ID: id };
  const controller = at(cluster, 'Services.Controller.ExternalURL');
  if (typeof controller === 'string' && controller !== '') vars.API_HOST = new URL(controller).host;
  else notes.push('Services.Controller.ExternalURL is missing: without API_HOST the service keeps its own accounts.');
  for (const [path, name] of SCALARS) {
    const value = at(cluster, path);
    if (value !== undefined && value !== null) vars[name] = value;
  }
  for (const [path, name] of ADDRESSES) {
    const value = at(cluster, path);
    if (typeof value === 'string' && value !== '' && !value.includes('*')) vars[name] = value.replace(/\/$/, '');
  }
  const hosts = Object.keys(tableAt(cluster, 'Services.Keepstore.InternalURLs')).map((url) => new URL(url).host);
  if (hosts.length > 0) vars.PULL_HOSTS = hosts;
  for (const [path, name] of SECRETS) {
    const value = at(cluster, path);
    if (typeof value === 'string' && value !== '') secrets[name] = value;
    else if (REQUIRED_SECRETS.has(name)) notes.push(`${path} is missing: the service requires the secret ${name}.`);
  }
  const classes = tableAt(cluster, 'StorageClasses');
  if (Object.keys(classes).length > 0) vars.STORAGE_CLASSES = classes;
  const permission = tableAt(cluster, 'Collections.WebDAVPermission');
  if (Object.keys(permission).length > 0) vars.WEBDAV_PERMISSION = permission;
  const remotes = convertRemotes(tableAt(cluster, 'RemoteClusters'), notes);
  if (Object.keys(remotes).length > 0) vars.REMOTE_CLUSTERS = remotes;
  const volumes = convertVolumes(tableAt(cluster, 'Volumes'), secrets, notes);
  if (Object.keys(volumes).length > 0) vars.VOLUMES = volumes;
  else
    notes.push('No volume can be reached from here: the service will read and write through the cluster’s keepstores.');
  return { vars, secrets, notes };
}

function convertRemotes(remotes: Table, notes: string[]): Table {
  const converted: Table = {};
  for (const [id, remote] of Object.entries(remotes)) {
    if (id === '*' || !isTable(remote)) continue;
    const { Host, Scheme, Insecure } = remote;
    if (typeof Host !== 'string' || Host === '') {
      notes.push(`RemoteClusters.${id} has no Host and is left out.`);
      continue;
    }
    if (Insecure === true) notes.push(`RemoteClusters.${id}.Insecure is left out: Workers always check certificates.`);
    converted[id] = { Host, ...(typeof Scheme === 'string' && Scheme !== '' ? { Scheme } : {}) };
  }
  return converted;
}

/** The value at a dotted path; undefined when there is none. */
function at(value: unknown, path: string): unknown {
  return path.split('.').reduce((inner, key) => (isTable(inner) ? inner[key] : undefined), value);
}

function tableAt(value: unknown, path: string): Table {
  const found = at(value, path);
  return isTable(found) ? found : {};
}

export function isTable(value: unknown): value is Table {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
