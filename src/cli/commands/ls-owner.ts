import { formatBytes, plural } from '../../keep/human-format.ts';
import type { Api, Row } from '../api-client.ts';
import { ApiError } from '../api-client.ts';
import { CliError } from '../cli-error.ts';
import { jsonLine, oneLine, showName } from '../terminal.ts';

/** A project or a collection, as `ls` shows it. */
export interface OwnedRecord {
  kind: 'project' | 'collection';
  uuid: string;
  name: string;
  /** Of collections. */
  files: number | null;
  bytes: number | null;
  modifiedAt: string;
}

const OWNER = /^[a-z0-9]{5}-(j7d0g|tpzed)-[a-z0-9]{15}$/;
const PAGE_ROWS = 500;
/** Kinds of group that hold things, apart from those that stand for people. */
const PROJECT_CLASSES = ['project', 'filter'];

const LISTS = [
  {
    kind: 'project',
    path: 'arvados/v1/groups',
    select: ['uuid', 'name', 'modified_at'],
    filters: [['group_class', 'in', PROJECT_CLASSES]],
  },
  {
    kind: 'collection',
    path: 'arvados/v1/collections',
    select: ['uuid', 'name', 'modified_at', 'file_count', 'file_size_total'],
    filters: [],
  },
] as const;

/** Whether a text names a project or a user. */
export function isOwner(text: string): boolean {
  return OWNER.test(text);
}

/**
 * What belongs to a project or user: projects first, then collections, each by name. One page at a time.
 * @param owner null for the user of the token
 * @throws CliError when there is no such owner
 */
export async function* ownedBy(api: Api, owner: string | null): AsyncGenerator<OwnedRecord, void, undefined> {
  const uuid = owner ?? String((await api('arvados/v1/users/current')).uuid);
  if (owner !== null) await checkOwner(api, owner);
  for (const { kind, path, select, filters } of LISTS) {
    for (let offset = 0; ; ) {
      const page = await api(path, {
        query: {
          filters: [['owner_uuid', '=', uuid], ...filters],
          order: ['name', 'uuid'],
          select,
          offset,
          limit: PAGE_ROWS,
          count: 'none',
        },
      });
      const items = (page.items ?? []) as Row[];
      for (const item of items) yield ownedRecord(kind, item);
      offset += items.length;
      if (items.length === 0) break;
    }
  }
}

function ownedRecord(kind: OwnedRecord['kind'], row: Row): OwnedRecord {
  return {
    kind,
    uuid: String(row.uuid),
    name: String(row.name ?? ''),
    files: kind === 'project' ? null : Number(row.file_count ?? 0),
    bytes: kind === 'project' ? null : Number(row.file_size_total ?? 0),
    modifiedAt: String(row.modified_at ?? ''),
  };
}

/** @throws CliError when there is no such project or user */
export async function checkOwner(api: Api, owner: string): Promise<void> {
  const path = OWNER.exec(owner)?.[1] === 'tpzed' ? 'users' : 'groups';
  await api(`arvados/v1/${path}/${owner}`, { query: { select: ['uuid'] } }).catch((error: unknown) => {
    if (error instanceof ApiError && error.status === 404)
      throw new CliError(`There is no project ${owner}, or you may not see it.`);
    throw error;
  });
}

const SIZE_COLUMNS = 9;
const FILES_COLUMNS = 14;

/** The line for a record, without its newline. Names of projects end with a slash. */
export function ownedLine(record: OwnedRecord, { json, long }: { json: boolean; long: boolean }): string {
  const { kind, uuid, name, files, bytes, modifiedAt } = record;
  if (json) {
    const size = kind === 'project' ? {} : { file_count: files, file_size_total: bytes };
    return jsonLine({ kind, uuid, name, ...size, modified_at: modifiedAt });
  }
  const shown = `${showName(name)}${kind === 'project' ? '/' : ''}`;
  if (!long) return `${oneLine(uuid)}  ${shown}`;
  const size = bytes === null ? '-' : formatBytes(bytes);
  const count = files === null ? '-' : plural(files, 'file');
  const date = oneLine(modifiedAt.slice(0, 'yyyy-mm-ddThh:mm'.length).replace('T', ' '));
  return `${oneLine(uuid)}  ${date}  ${size.padStart(SIZE_COLUMNS)}  ${count.padStart(FILES_COLUMNS)}  ${shown}`;
}
