import * as v from 'valibot';
import { KeepError } from '../keep/errors.ts';
import { type KeepService, type ServiceRecord, serviceFromRecord } from './keep-service.ts';
import { fetchServiceRecords, parseServiceRecords, type ServiceSource } from './service-source.ts';

/** A keep_services record that the admin made. Times are ISO 8601. */
export interface AdminRecord extends Required<ServiceRecord> {
  created_at: string;
  modified_at: string;
}

/**
 * The Keep services of this cluster and of remote ones. Kept in KV (docs/storage-schema.md), so that isolates don't ask
 * the API servers at each request; a copy stays in the isolate, because KV may be slow, stale or empty. Lists come from
 * the API servers; the admin may add services of this cluster.
 */
export interface ServiceDirectory {
  /** Services of a cluster that the configuration names. */
  services(clusterId: string): ServiceSource;
  /** This cluster's service of that uuid, or null. @throws KeepError unavailable when KV fails and there is no earlier copy */
  find(uuid: string): Promise<KeepService | null>;
  /** This cluster's records: the API server's, then the admin's, which win. Without either it is empty. */
  serviceRecords(): Promise<ServiceRecord[]>;
  /** @throws KeepError unavailable when KV fails and there is no earlier copy */
  adminRecords(): Promise<AdminRecord[]>;
  /** Creates or replaces; other isolates see it within a minute. */
  putRecord(record: AdminRecord): Promise<void>;
  deleteRecord(uuid: string): Promise<void>;
  /** Asks every API server again: for the cron. A cluster that does not answer keeps its last list. */
  refresh(): Promise<void>;
}

export interface DirectoryOptions {
  /** Null: each isolate asks the API servers itself, and the admin's records last as long as the isolate. */
  kv: KVNamespace | null;
  clusterId: string;
  /** Origin of the cluster's API server; null when the configuration names none. */
  apiUrlOf: (clusterId: string) => string | null;
  remoteClusterIds: readonly string[];
  /** Takes work that may outlive the request. */
  later: (work: Promise<unknown>) => void;
  now?: () => number;
  fetcher?: typeof fetch;
}

/** A list and when it was fetched, in Unix milliseconds. */
interface Fetched<Item> {
  records: Item[];
  at: number;
}

const FRESH_MS = 300_000;
const ADMIN_FRESH_MS = 60_000;
/** Refreshes on demand ask the API server at most this often per isolate, however many requests ask. */
const REFRESH_PAUSE_MS = 5_000;
/** There is a list to go on with. */
const REFRESH_TIMEOUT_MS = 5_000;
const CLUSTER_PREFIX = 'clusters/';
const RECORD_PREFIX = 'services/';
const Stored = v.object({ items: v.array(v.unknown()), at: v.number() });

export function createDirectory(options: DirectoryOptions): ServiceDirectory {
  const { kv, clusterId: home, apiUrlOf, later, now = Date.now, fetcher = fetch } = options;
  const lists = new Map<string, Fetched<ServiceRecord>>();
  /** When each cluster's API server was asked last, whatever it answered. */
  const askedAt = new Map<string, number>();
  let admin: Fetched<AdminRecord> = { records: [], at: Number.NEGATIVE_INFINITY };

  const keepNewer = (id: string, fetched: Fetched<ServiceRecord>) => {
    const known = lists.get(id);
    if (known === undefined || known.at < fetched.at) lists.set(id, fetched);
  };

  const fromKv = async (id: string) => {
    const stored = v.safeParse(Stored, await kv?.get(CLUSTER_PREFIX + id, 'json').catch(() => null));
    if (stored.success) keepNewer(id, { records: parseServiceRecords(stored.output), at: stored.output.at });
  };

  const fromApi = async (id: string, apiUrl: string, timeoutMs?: number) => {
    askedAt.set(id, now());
    const fetched = { records: await fetchServiceRecords(apiUrl, { fetcher, timeoutMs }), at: now() };
    keepNewer(id, fetched);
    const { records: items, at } = fetched;
    later((kv?.put(CLUSTER_PREFIX + id, JSON.stringify({ items, at })) ?? Promise.resolve()).catch(() => undefined));
  };

  /** @throws KeepError bad_gateway when there is no earlier list and the API server gives none */
  const listed = async (id: string, refresh: boolean): Promise<ServiceRecord[]> => {
    const apiUrl = apiUrlOf(id);
    if (apiUrl === null) return [];
    const youngerThan = (ms: number) => now() - (lists.get(id)?.at ?? Number.NEGATIVE_INFINITY) < ms;
    const enough = refresh ? REFRESH_PAUSE_MS : FRESH_MS;
    if (youngerThan(enough)) return lists.get(id)?.records ?? [];
    // A server that fails or hangs is not asked by every request that finds a list wanting.
    if (lists.has(id) && now() - (askedAt.get(id) ?? Number.NEGATIVE_INFINITY) < REFRESH_PAUSE_MS) {
      return lists.get(id)?.records ?? [];
    }
    await fromKv(id);
    if (!youngerThan(enough)) {
      await fromApi(id, apiUrl, lists.has(id) ? REFRESH_TIMEOUT_MS : undefined).catch((error: unknown) => {
        if (!lists.has(id)) throw error;
      });
    }
    return lists.get(id)?.records ?? [];
  };

  const adminRecords = async (): Promise<AdminRecord[]> => {
    if (kv === null || now() - admin.at < ADMIN_FRESH_MS) return admin.records;
    try {
      const before = admin;
      const records = await listRecords(kv);
      // A list that was begun before this isolate's own change may lack it.
      if (admin === before) admin = { records, at: now() };
    } catch (cause) {
      // The last good copy serves on; without one the list is unknown, not empty.
      if (admin.at === Number.NEGATIVE_INFINITY) throw new KeepError('unavailable', { cause });
    }
    return admin.records;
  };

  const homeRecords = async (refresh = false) => {
    const [fetched, added] = await Promise.all([listed(home, refresh), adminRecords().catch(() => [])]);
    const names = new Set(added.map(({ uuid }) => uuid));
    return [...fetched.filter(({ uuid }) => !names.has(uuid)), ...added];
  };

  const replaceAdmin = (uuid: string, record: AdminRecord | null) => {
    const others = admin.records.filter((known) => known.uuid !== uuid);
    admin = { records: record === null ? others : [...others, record], at: now() };
  };

  return {
    services: (id) => ({
      list: async (refresh = false) =>
        (id === home ? await homeRecords(refresh) : await listed(id, refresh)).map(serviceFromRecord),
    }),
    async find(uuid) {
      const isIt = (known: ServiceRecord) => known.uuid === uuid;
      // Missing, or did the KV read fail? The second read tells, or throws.
      const record = (await homeRecords()).find(isIt) ?? (await adminRecords()).find(isIt);
      return record === undefined ? null : serviceFromRecord(record);
    },
    serviceRecords: () => homeRecords(),
    adminRecords,
    async putRecord(record) {
      await adminRecords();
      await kv?.put(RECORD_PREFIX + record.uuid, '', { metadata: record });
      replaceAdmin(record.uuid, record);
    },
    async deleteRecord(uuid) {
      await adminRecords();
      await kv?.delete(RECORD_PREFIX + uuid);
      replaceAdmin(uuid, null);
    },
    async refresh() {
      await Promise.allSettled(
        [home, ...options.remoteClusterIds].map((id) => {
          const apiUrl = apiUrlOf(id);
          return apiUrl === null ? null : fromApi(id, apiUrl);
        }),
      );
    },
  };
}

/** The admin's records are metadata of their keys: one list call brings them all. */
async function listRecords(kv: KVNamespace): Promise<AdminRecord[]> {
  const records: AdminRecord[] = [];
  for (let cursor: string | null = null, complete = false; !complete; ) {
    const page: KVNamespaceListResult<AdminRecord> = await kv.list<AdminRecord>({ prefix: RECORD_PREFIX, cursor });
    for (const { metadata } of page.keys) if (metadata !== undefined) records.push(metadata);
    complete = page.list_complete;
    cursor = page.list_complete ? null : page.cursor;
  }
  return records;
}
