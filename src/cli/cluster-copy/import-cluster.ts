import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseLocator } from '../../keep/locator.ts';
import { sourceOfBytes } from '../../services/put-block.ts';
import type { Row } from '../api-client.ts';
import { CliError } from '../cli-error.ts';
import { locatorsIn } from '../collection.ts';
import { messageOf } from '../commands/doctor-checks.ts';
import type { Session } from '../session.ts';
import { note } from '../terminal.ts';
import { blockFile, FORMAT, type LISTS } from './export-cluster.ts';

export interface ImportResult {
  users: number;
  projects: number;
  collections: number;
  links: number;
  failed: number;
}

/**
 * Makes what an export holds anew, with UUIDs of this cluster. What was made is noted beside the export, so that an interrupted import
 * goes on.
 */
export async function importCluster({ api, keep, facts }: Session, directory: string): Promise<ImportResult> {
  const { format, cluster } = JSON.parse(readFileSync(join(directory, 'export.json'), 'utf8')) as Row;
  if (Number(format) > FORMAT) throw new CliError(`The export has format ${format}: it needs a newer version.`);
  const { clusterId, replication } = await facts();
  const notes = join(directory, `imported-to-${clusterId}.jsonl`);
  const made = new Map(readLines(notes).map(({ from, to }) => [String(from), String(to)]));
  const result: ImportResult = { users: 0, projects: 0, collections: 0, links: 0, failed: 0 };
  // Roles that every cluster has.
  for (const tail of [
    'j7d0g-anonymouspublic',
    'j7d0g-fffffffffffffff',
    'tpzed-000000000000000',
    'tpzed-anonymouspublic',
  ])
    made.set(`${cluster}-${tail}`, `${clusterId}-${tail}`);
  const records = (list: (typeof LISTS)[number]) => readLines(join(directory, `${list}.jsonl`));

  const [uploaders, users] = partition(records('users'), ({ username }) => typeof username !== 'string');
  for (const row of users) await once(row, 'users', () => userFor(row));
  // What an account that may only upload has stored becomes its owner's.
  for (const { uuid, owner_uuid } of uploaders) {
    const owner = made.get(String(owner_uuid));
    if (owner !== undefined) made.set(String(uuid), owner);
  }
  // A project after the one that it is in.
  let waiting = records('groups');
  for (let before = -1; waiting.length > 0 && waiting.length !== before; ) {
    before = waiting.length;
    const next: Row[] = [];
    for (const row of waiting) {
      const owner = row.group_class === 'role' ? undefined : made.get(String(row.owner_uuid));
      if (row.group_class !== 'role' && owner === undefined) next.push(row);
      else
        await once(row, 'projects', () => {
          const { name, group_class, description = '', properties = {} } = row;
          return create('groups', 'group', {
            name,
            group_class,
            description,
            properties,
            ...(owner === undefined ? {} : { owner_uuid: owner }),
          });
        });
    }
    waiting = next;
  }
  for (const row of records('collections')) await once(row, 'collections', () => collectionFor(row));
  for (const row of records('links')) {
    const [tail_uuid, head_uuid] = [made.get(String(row.tail_uuid)), made.get(String(row.head_uuid))];
    if (tail_uuid === undefined || head_uuid === undefined) continue;
    const link = { link_class: 'permission', name: row.name, tail_uuid, head_uuid };
    await once(row, 'links', () => create('links', 'link', link));
  }
  return result;

  async function once(
    row: Row,
    kind: Exclude<keyof ImportResult, 'failed'>,
    make: () => Promise<string>,
  ): Promise<void> {
    const from = String(row.uuid);
    if (made.has(from)) return;
    try {
      const to = await make();
      made.set(from, to);
      appendFileSync(notes, `${JSON.stringify({ from, to })}\n`);
      result[kind]++;
    } catch (error) {
      result.failed++;
      note(`${from}: ${messageOf(error)}`);
    }
  }

  async function create(resource: string, name: string, record: Row): Promise<string> {
    const query = resource === 'links' ? {} : { ensure_unique_name: true };
    const row = await api(`arvados/v1/${resource}`, { method: 'POST', query, body: { [name]: record } });
    return String(row.uuid);
  }

  async function userFor({
    username,
    email = '',
    first_name = '',
    last_name = '',
    is_admin,
    is_active,
  }: Row): Promise<string> {
    const known = await api('arvados/v1/users', { query: { filters: [['username', '=', username]], limit: 1 } });
    const [found] = (known.items ?? []) as Row[];
    if (found !== undefined) return String(found.uuid);
    const record = {
      username,
      email,
      first_name,
      last_name,
      is_admin: is_admin === true,
      is_active: is_active !== false,
    };
    const row = await api('arvados/v1/users', { method: 'POST', body: { user: record } });
    return String(row.uuid);
  }

  async function collectionFor(row: Row): Promise<string> {
    const owner_uuid = made.get(String(row.owner_uuid));
    if (owner_uuid === undefined) throw new Error(`its owner ${row.owner_uuid} was not imported`);
    const text = String(row.manifest_text ?? '');
    const signed = new Map<string, string>();
    const wanted = new Set<string>();
    locatorsIn(text, (locator) => wanted.add(locator));
    for (const locator of wanted) {
      const { hash } = parseLocator(locator);
      const bytes = new Uint8Array(readFileSync(blockFile(directory, hash)));
      signed.set(locator, (await keep.put(sourceOfBytes(hash, bytes), { replicas: replication })).locator);
    }
    const manifest_text = text.replace(/[0-9a-f]{32}\+\d+\S*/g, (locator) => signed.get(locator) ?? locator);
    const { name, description = '', properties = {} } = row;
    return create('collections', 'collection', { name, description, properties, owner_uuid, manifest_text });
  }
}

function partition<T>(items: readonly T[], isFirst: (item: T) => boolean): [T[], T[]] {
  return [items.filter(isFirst), items.filter((item) => !isFirst(item))];
}

function readLines(file: string): Row[] {
  if (!existsSync(file)) return [];
  return readFileSync(file, 'utf8')
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Row);
}
