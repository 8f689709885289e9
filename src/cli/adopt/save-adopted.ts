import { portableDataHash } from '../../keep/manifest/portable-data-hash.ts';
import { ApiError, type Row } from '../api-client.ts';
import type { Session } from '../session.ts';
import type { JobRecord } from './follow.ts';

export interface SavedAdoption {
  uuid: string;
  portableDataHash: string;
  /** For people. */
  state: 'New collection' | 'New version' | 'Updated' | 'Nothing has changed' | "Moved into Keep's volumes";
}

interface SaveOptions {
  into: string;
  /** Null: the source's name. */
  name: string | null;
  /** Without hints its blocks are read from Keep's volumes. */
  withHints: boolean;
}

/** Makes the collection, or a new version of the one that was made the last time. */
export async function saveAdopted(
  { api }: Session,
  job: JobRecord,
  { into, name, withHints }: SaveOptions,
): Promise<SavedAdoption> {
  const { manifest_text: manifest } = await api(`keep-edge/v1/adoptions/${job.id}/manifest`, {
    query: { hints: withHints ? '1' : '0' },
  });
  const hash = await portableDataHash([new TextEncoder().encode(String(manifest))]);
  // The gateway's copies are what it asks for: the balancer would copy the data into other classes.
  const wanted = withHints
    ? { storage_classes_desired: [job.storage_class], replication_desired: job.replication }
    : { replication_desired: null };
  const known = await knownCollection(api, job.collections[into], into);
  if (known === null) {
    const made = await api('arvados/v1/collections', {
      method: 'POST',
      query: { ensure_unique_name: true },
      body: { collection: { ...wanted, owner_uuid: into, name: name ?? titleOf(job), manifest_text: manifest } },
    });
    const uuid = String(made.uuid);
    await api(`keep-edge/v1/adoptions/${job.id}/collection`, {
      method: 'POST',
      body: { project: into, collection: uuid },
    });
    return { uuid, portableDataHash: hash, state: 'New collection' };
  }
  const uuid = String(known.uuid);
  const renamed = name === null ? {} : { name };
  if (known.portable_data_hash === hash && withHints) {
    if (name !== null && known.name !== name)
      await api(`arvados/v1/collections/${uuid}`, { method: 'PUT', body: { collection: renamed } });
    return { uuid, portableDataHash: hash, state: 'Nothing has changed' };
  }
  const saved = await api(`arvados/v1/collections/${uuid}`, {
    method: 'PUT',
    body: { collection: { ...wanted, ...renamed, manifest_text: manifest } },
  });
  // The version before stays only where the cluster keeps versions.
  const state = Number(saved.version) > Number(known.version) ? 'New version' : 'Updated';
  return { uuid, portableDataHash: hash, state: withHints ? state : "Moved into Keep's volumes" };
}

/** Null when it is no longer in this project: a new one is made then. */
async function knownCollection(api: Session['api'], uuid: string | undefined, into: string): Promise<Row | null> {
  if (uuid === undefined) return null;
  try {
    const query = { select: ['uuid', 'owner_uuid', 'name', 'portable_data_hash', 'version'] };
    const known = await api(`arvados/v1/collections/${uuid}`, { query });
    return known.owner_uuid === into ? known : null;
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return null;
    throw error;
  }
}

/** The last name of the prefix, or the gateway's: a bucket's name is not for every reader of the collection. */
function titleOf({ source, gateway_name }: JobRecord): string {
  const [, prefix = ''] = /^s3:\/\/[^/]+\/(.*)$/s.exec(source) ?? [];
  return (
    prefix
      .split('/')
      .filter((name) => !['', '.', '..'].includes(name))
      .at(-1) ?? gateway_name
  );
}
