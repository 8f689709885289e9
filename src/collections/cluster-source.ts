import { KeepError } from '../keep/errors.ts';
import { isUuid } from '../records/ids.ts';
import { askClusterApi, clusterApiFailed, clusterRecord } from '../services/cluster-api.ts';
import { RecordScanner } from '../streams/json/scanner.ts';
import { checkManifest } from './checked-manifest.ts';
import type { CollectionSource, Entry, Home } from './source.ts';

interface ApiRecord {
  kind?: string;
  uuid?: string;
  owner_uuid?: string;
  name?: string | null;
  username?: string | null;
  modified_at?: string | null;
  portable_data_hash?: string;
  description?: string | null;
  properties?: Record<string, unknown>;
  created_at?: string | null;
  modified_by_user_uuid?: string | null;
  email?: string;
  first_name?: string;
  last_name?: string;
  full_name?: string;
}
interface ApiList {
  items: ApiRecord[];
}

const PAGE = 1000;
const TIMEOUT_MS = 60_000;
const FIELDS = ['uuid', 'name', 'modified_at', 'created_at', 'portable_data_hash'];
const PROJECTS = [
  ['uuid', 'is_a', 'arvados#group'],
  ['groups.group_class', 'in', ['project', 'filter']],
];
const COLLECTIONS = [['uuid', 'is_a', 'arvados#collection']];

/** Collections and projects of a cluster, asked of its API server with the reader's own token. */
export function createClusterSource(apiUrl: string): CollectionSource {
  const get = <T extends object>(
    path: string,
    parameters: Record<string, unknown>,
    token: string,
    signal?: AbortSignal,
  ) => request<T>(`${apiUrl}/arvados/v1/${path}?${encode(parameters)}`, token, signal);

  const list = async (path: string, parameters: Record<string, unknown>, token: string, signal?: AbortSignal) => {
    const page = await get<ApiList>(path, { count: 'none', ...parameters }, token, signal);
    if (page !== null && !isList(page)) throw noList();
    return page?.items ?? [];
  };

  /** Every record of a list, by UUID. Fewer than asked for may come at once: only an empty page is the end. */
  async function* all(
    path: string,
    { filters, select }: { filters: unknown[]; select: string[] },
    token: string,
    signal?: AbortSignal,
  ): AsyncGenerator<ApiRecord> {
    for (let after = ''; ; ) {
      const behind = [...filters, ['uuid', '>', after]];
      const items = await list(path, { order: 'uuid', limit: PAGE, filters: behind, select }, token, signal);
      yield* items;
      const last = items.at(-1);
      if (last === undefined) return;
      // One that passes over the filter would give the same page for ever.
      if (typeof last.uuid !== 'string' || last.uuid === after) throw noList();
      after = last.uuid;
    }
  }

  async function* contents(
    owner: string,
    filters: unknown[],
    token: string,
    signal?: AbortSignal,
  ): AsyncGenerator<Entry> {
    for await (const item of all(`groups/${owner}/contents`, { filters, select: FIELDS }, token, signal))
      yield toEntry(item);
  }

  return {
    async open(id, token, signal) {
      const path = `collections/${encodeURIComponent(id)}`;
      // The manifest is fetched apart and only on demand: it may be much larger than the rest of the record.
      const record = await get<ApiRecord>(path, { select: FIELDS }, token, signal);
      if (record === null) return null;
      return {
        uuid: isUuid(id) ? id : null,
        portableDataHash: record.portable_data_hash ?? id,
        ownerUuid: null,
        name: record.name ?? '',
        modifiedAt: record.modified_at ?? '',
        createdAt: record.created_at ?? null,
        revision: null,
        hasMetadata: false,
        manifest: () => manifestOf(`${apiUrl}/arvados/v1/${path}`, token, record.portable_data_hash ?? id),
      };
    },
    // A cluster has no place for it.
    metadata: () => Promise.resolve(new Map()),
    async describe(uuid, token, signal) {
      const select = ['description', 'properties', 'created_at', 'modified_by_user_uuid'];
      const record = await get<ApiRecord>(`collections/${encodeURIComponent(uuid)}`, { select }, token, signal);
      if (record === null) return null;
      const by = record.modified_by_user_uuid ?? '';
      const fields = ['uuid', 'email', 'username', 'first_name', 'last_name', 'full_name'];
      const user = isUuid(by) ? await get<ApiRecord>(`users/${by}`, { select: fields }, token, signal) : null;
      return {
        description: record.description ?? null,
        properties: record.properties ?? {},
        created_at: record.created_at ?? null,
        modified_by_user: user && {
          email: user.email ?? '',
          full_name: user.full_name ?? `${user.first_name ?? ''} ${user.last_name ?? ''}`.trim(),
          username: user.username ?? '',
          uuid: by,
        },
      };
    },
    async project(uuid, token, signal) {
      const record = await get<ApiRecord>(
        `groups/${encodeURIComponent(uuid)}`,
        { select: FIELDS.slice(0, 3) },
        token,
        signal,
      );
      return record === null ? null : toEntry(record);
    },
    async *contents(ownerUuid, token, signal) {
      yield* contents(ownerUuid, COLLECTIONS, token, signal);
      yield* contents(ownerUuid, PROJECTS, token, signal);
    },
    async visible(kind, after, limit, token, signal) {
      const isCollection = kind === 'collection';
      const parameters = {
        order: 'uuid',
        limit,
        filters: [['uuid', '>', after], ...(isCollection ? [] : [['group_class', 'in', ['project', 'filter']]])],
        select: [...(isCollection ? FIELDS : FIELDS.filter((name) => name !== 'portable_data_hash')), 'owner_uuid'],
      };
      const items = await list(isCollection ? 'collections' : 'groups', parameters, token, signal);
      return items.map((item) => ({ ...toEntry(item), ownerUuid: item.owner_uuid ?? '' }));
    },
    async child(ownerUuid, name, token, signal, kind) {
      const named = ['name', '=', name];
      for (const filters of kind === 'collection' ? [COLLECTIONS] : [PROJECTS, COLLECTIONS]) {
        for await (const entry of contents(ownerUuid, [...filters, named], token, signal)) return entry;
      }
      return null;
    },
    async home(username, token, signal) {
      const parameters = { limit: 1, filters: [['username', '=', username]], select: ['uuid', 'username'] };
      const [found] = await list('users', parameters, token, signal);
      return found?.uuid === undefined ? null : { uuid: found.uuid, username, own: true };
    },
    async homes(token, signal) {
      const homes: Home[] = [];
      const select = ['uuid', 'username'];
      for await (const { uuid = '', username } of all('users', { filters: [], select }, token, signal))
        if (username) homes.push({ uuid, username, own: true });
      return homes;
    },
  };
}

function isList({ items }: ApiList): boolean {
  return Array.isArray(items) && items.every((item: unknown) => typeof item === 'object' && item !== null);
}

function noList(): KeepError {
  return new KeepError('bad_gateway', { message: "the cluster's API server gave no list of records" });
}

function encode(parameters: Record<string, unknown>): URLSearchParams {
  const text = (value: unknown) => (typeof value === 'string' ? value : JSON.stringify(value));
  return new URLSearchParams(Object.entries(parameters).map(([name, value]) => [name, text(value)]));
}

/** The text of a manifest as it comes, never whole in memory. @param url of the record @throws KeepError not_found, unavailable when it has another hash */
export async function manifestOf(url: string, token: string, hash: string): Promise<AsyncIterable<Uint8Array>> {
  const response = await ask(`${url}?${encode({ select: ['portable_data_hash', 'manifest_text'] })}`, token, undefined);
  if (response === null) throw new KeepError('not_found', { message: 'Not Found' });
  return manifestChunks(response.body ?? [], hash);
}

async function* manifestChunks(
  body: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  hash: string,
): AsyncGenerator<Uint8Array> {
  const scanner = new RecordScanner('collection');
  const check = checkManifest(hash);
  // Held back until the whole has its hash: a text that was cut at the end of a line looks complete.
  let held: Uint8Array | null = null;
  try {
    for await (const chunk of body) {
      const text = textIn(scanner, chunk);
      if (text === null) continue;
      await check.push(text);
      if (held !== null) yield held;
      held = text;
    }
    if (recordOf(scanner).portable_data_hash !== hash)
      throw new KeepError('unavailable', { message: 'the collection has just been changed: ask again' });
    await check.end();
  } catch (error) {
    await check.abort(error);
    throw error;
  }
  if (held !== null) yield held;
}

/** @throws KeepError bad_gateway for what is no record */
function textIn(scanner: RecordScanner, chunk: Uint8Array): Uint8Array | null {
  try {
    return scanner.push(chunk);
  } catch (cause) {
    throw halfAnAnswer(cause);
  }
}

/** @throws KeepError bad_gateway for an answer that was cut short or is no JSON */
function recordOf(scanner: RecordScanner): ApiRecord {
  try {
    const record = scanner.rest();
    if (typeof record === 'object' && record !== null) return record;
  } catch (cause) {
    throw halfAnAnswer(cause);
  }
  throw halfAnAnswer(undefined);
}

function halfAnAnswer(cause: unknown): KeepError {
  return new KeepError('bad_gateway', { message: "the cluster's API server gave half an answer", cause });
}

/**
 * Null for a record that does not exist or may not be read.
 * @throws KeepError unauthorized, bad_gateway
 */
async function request<T extends object>(
  url: string,
  token: string,
  signal: AbortSignal | undefined,
): Promise<T | null> {
  const response = await ask(url, token, signal);
  return response === null ? null : clusterRecord<T>(response);
}

async function ask(url: string, token: string, signal: AbortSignal | undefined): Promise<Response | null> {
  const response = await askClusterApi(url, token, TIMEOUT_MS, signal);
  if (response.status === 200) return response;
  await response.body?.cancel();
  if (response.status === 401)
    throw new KeepError('unauthorized', { message: 'Not logged in: the cluster refuses the token' });
  if (response.status < 500) return null;
  throw clusterApiFailed(response);
}

function toEntry({ uuid = '', name, modified_at, created_at, portable_data_hash }: ApiRecord): Entry {
  const isProject = isUuid(uuid, 'j7d0g');
  return {
    kind: isProject ? 'project' : 'collection',
    uuid,
    name: name ?? '',
    modifiedAt: modified_at ?? '',
    createdAt: created_at ?? '',
    portableDataHash: isProject ? null : (portable_data_hash ?? null),
  };
}
