import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseLocator } from '../../keep/locator.ts';
import { sourceOfBytes } from '../../services/put-block.ts';
import type { Row } from '../api-client.ts';
import { CliError } from '../cli-error.ts';
import { locatorsIn } from '../collection.ts';
import type { Session } from '../session.ts';
import { blockFile, FORMAT, type ListName, readRecords, withLocators } from './export-files.ts';
import { type ImportCounts, openNotes } from './import-notes.ts';

export interface ImportResult extends ImportCounts {
  /** Links whose ends are not in the export. */
  skipped: number;
}

interface Resource {
  path: string;
  name: string;
}

const USER = { path: 'users', name: 'user' };
const GROUP = { path: 'groups', name: 'group' };
const LINK = { path: 'links', name: 'link' };
const COLLECTION = { path: 'collections', name: 'collection' };
/** What every cluster has. */
const BUILT_IN = ['j7d0g-anonymouspublic', 'j7d0g-fffffffffffffff', 'tpzed-000000000000000', 'tpzed-anonymouspublic'];

/**
 * Makes what an export holds anew, with UUIDs of this cluster. What was made is noted beside the export, so that an
 * interrupted import goes on.
 */
export async function importCluster({ api, keep, facts }: Session, directory: string): Promise<ImportResult> {
  const { format, cluster } = headerOf(directory);
  if (Number(format) > FORMAT) throw new CliError(`The export has format ${format}: it needs a newer version.`);
  const { clusterId, replication, classes } = await facts();
  const notes = await openNotes(join(directory, `imported-to-${clusterId}.jsonl`), twinOf);
  for (const tail of BUILT_IN) notes.stands(`${cluster}-${tail}`, `${clusterId}-${tail}`);
  const records = (list: ListName) => readRecords(join(directory, `${list}.jsonl`));
  let skipped = 0;
  try {
    const uploaders: Row[] = [];
    for await (const row of records('users'))
      if (typeof row.username === 'string') await importUser(row);
      else uploaders.push(row);
    // What an account that may only upload has stored becomes its owner's.
    for (const { uuid, owner_uuid } of uploaders) {
      const owner = notes.madeOf(owner_uuid);
      if (owner !== undefined) notes.stands(String(uuid), owner);
    }
    // A project after the one that it is in: once more over the list as long as that makes one.
    for (let waiting = -1, before = 0; waiting !== 0 && waiting !== before; ) {
      before = waiting;
      waiting = 0;
      for await (const row of records('groups')) if (!(await importGroup(row))) waiting++;
    }
    for await (const row of records('groups'))
      if (!(await importGroup(row))) notes.fails(row.uuid, `its owner ${row.owner_uuid} was not imported`);
    for await (const row of records('collections')) await importCollection(row);
    for await (const row of records('links')) await importLink(row);
  } finally {
    notes.close();
  }
  return { ...notes.counts, skipped };

  async function importUser({ uuid, username, email, first_name, last_name, is_admin, is_active }: Row): Promise<void> {
    const texts = { email: email ?? '', first_name: first_name ?? '', last_name: last_name ?? '' };
    const record = { username, ...texts, is_admin: is_admin === true, is_active: is_active !== false };
    await notes.once(uuid, 'users', USER, { username }, async () => {
      return (await twinOf(USER, { username })) ?? create(USER, record);
    });
  }

  /** @returns false while the project that it is in was not made */
  async function importGroup({ uuid, name, group_class, description, properties, owner_uuid }: Row): Promise<boolean> {
    if (notes.madeOf(uuid) !== undefined) return true;
    const isRole = group_class === 'role';
    const owner = isRole ? undefined : notes.madeOf(owner_uuid);
    if (!isRole && owner === undefined) return false;
    const place = owner === undefined ? {} : { owner_uuid: owner };
    const record = { name, group_class, description: description ?? '', properties: properties ?? {}, ...place };
    await notes.once(uuid, 'projects', GROUP, { name, group_class, ...place }, () => create(GROUP, record));
    return true;
  }

  async function importCollection(row: Row): Promise<void> {
    const owner_uuid = notes.madeOf(row.owner_uuid);
    const { name, description, properties, replication_desired, storage_classes_desired, portable_data_hash } = row;
    const wanted = (storage_classes_desired ?? []) as string[];
    const record = {
      name,
      description: description ?? '',
      properties: properties ?? {},
      owner_uuid,
      ...(typeof replication_desired === 'number' ? { replication_desired } : {}),
      ...(wanted.length > 0 && wanted.every((one) => classes.includes(one)) ? { storage_classes_desired: wanted } : {}),
    };
    const marks = { name, owner_uuid, portable_data_hash };
    await notes.once(row.uuid, 'collections', COLLECTION, marks, async () => {
      if (owner_uuid === undefined) throw new Error(`its owner ${row.owner_uuid} was not imported`);
      return create(COLLECTION, { ...record, manifest_text: await withBlocks(String(row.manifest_text ?? '')) });
    });
  }

  async function importLink(row: Row): Promise<void> {
    const [tail_uuid, head_uuid] = [notes.madeOf(row.tail_uuid), notes.madeOf(row.head_uuid)];
    if (tail_uuid === undefined || head_uuid === undefined) {
      skipped++;
      return;
    }
    const link = { link_class: 'permission', name: row.name, tail_uuid, head_uuid };
    await notes.once(row.uuid, 'links', LINK, link, () => create(LINK, link));
  }

  /** Stores the blocks of a manifest, which the service checks, and signs it. */
  async function withBlocks(manifest: string): Promise<string> {
    const signed = new Map<string, string>();
    const wanted = new Set<string>();
    locatorsIn(manifest, (locator) => wanted.add(locator));
    for (const locator of wanted) {
      const { hash } = parseLocator(locator);
      const bytes = new Uint8Array(readFileSync(blockFile(directory, hash)));
      signed.set(locator, (await keep.put(sourceOfBytes(hash, bytes), { replicas: replication })).locator);
    }
    return withLocators(manifest, (locator) => signed.get(locator) ?? locator);
  }

  async function create({ path, name }: Resource, record: Row): Promise<string> {
    const query = path === 'links' || path === 'users' ? {} : { ensure_unique_name: true };
    return String((await api(`arvados/v1/${path}`, { method: 'POST', query, body: { [name]: record } })).uuid);
  }

  /** A record with these attributes that is here already. */
  async function twinOf({ path }: Resource, attributes: Row): Promise<string | null> {
    const filters = Object.entries(attributes).map(([name, value]) => [name, '=', value]);
    const { items } = await api(`arvados/v1/${path}`, { query: { filters, limit: 1, count: 'none' } });
    const [found] = (items ?? []) as Row[];
    return found === undefined ? null : String(found.uuid);
  }
}

function headerOf(directory: string): Row {
  try {
    return JSON.parse(readFileSync(join(directory, 'export.json'), 'utf8')) as Row;
  } catch {
    throw new CliError(`${directory} holds no export: keep-edge export DIRECTORY makes one.`);
  }
}
