import type { Row } from '../records/columns.ts';

/**
 * Every change of users, groups, links, tokens and quotas is also in the bucket MANIFESTS before it is acknowledged. Triggers
 * note the keys of what changed in `account_changes`; a flush writes those rows as they are now to one new object. The
 * format is in docs/storage-schema.md#backups.
 */
export const ACCOUNT_CHANGES = 'backups/accounts/changes/';
export const ACCOUNT_SNAPSHOTS = 'backups/accounts/snapshots/';
export const FORMAT = 1;

/** Tables in an order in which every row finds what it refers to. Tokens come last: until then a restore lets none in. */
export const ACCOUNT_TABLES = [
  { name: 'users', key: 'uuid' },
  { name: 'groups', key: 'uuid' },
  { name: 'quotas', key: 'subject_uuid' },
  { name: 'links', key: 'uuid' },
  { name: 'tokens', key: 'uuid' },
] as const;

export type AccountTable = (typeof ACCOUNT_TABLES)[number]['name'] | 'collections';

/** One row as it was after a change; null when it was deleted. */
export interface AccountChange {
  id: number;
  /** `earlier` marks a database that held accounts before there were backups. */
  table: AccountTable | 'earlier';
  key: string;
  row: Row | null;
}

export interface AccountChanges {
  format: number;
  /** All ids from `first` to `last` are in it. */
  first: number;
  last: number;
  /** RFC 3339. */
  at: string;
  changes: AccountChange[];
}

/** Statements that change what is backed up here, beside the time of last use and the sums of quotas. */
export function concernsAccounts(sql: string): boolean {
  if (/SET (?:last_used_at|grown) =/.test(sql)) return false;
  return /\b(?:INTO|UPDATE|FROM)\s+(?:users|groups|links|tokens|quotas)\b|\bDELETE FROM collections\b|\bUPDATE collections SET owner_uuid\b/.test(
    sql,
  );
}

const FLUSH_ROWS = 100;
const ID_DIGITS = 15;

export const idText = (id: number) => String(id).padStart(ID_DIGITS, '0');

export interface FlushContext {
  db: D1Database;
  manifests: R2Bucket;
}

/** Writes what is not yet in the bucket. When it returns, everything that was committed before the call is there. */
export async function flushAccounts(context: FlushContext): Promise<void> {
  while (await flushOnce(context));
}

/** @returns whether there may be more */
async function flushOnce({ db, manifests }: FlushContext): Promise<boolean> {
  const pending = `SELECT id, tbl, key FROM account_changes ORDER BY id LIMIT ${FLUSH_ROWS}`;
  const keysOf = (table: string) => `(SELECT key FROM (${pending}) WHERE tbl = '${table}')`;
  // One batch is one transaction: the rows are at least as new as the ids.
  const [ids, clock, ...rows] = await db.batch<Row>([
    db.prepare(pending),
    db.prepare("SELECT strftime('%Y-%m-%dT%H:%M:%fZ', 'now') AS at"),
    ...ACCOUNT_TABLES.map(({ name, key }) => db.prepare(`SELECT * FROM ${name} WHERE ${key} IN ${keysOf(name)}`)),
    db.prepare(`SELECT uuid, owner_uuid, revision FROM collections WHERE uuid IN ${keysOf('collections')}`),
  ]);
  const noted = ids?.results ?? [];
  const [first, last] = [Number(noted[0]?.id), Number(noted.at(-1)?.id)];
  if (noted.length === 0) return false;
  const found = new Map<string, Row>();
  const names = [...ACCOUNT_TABLES.map(({ name, key }) => ({ name, key })), { name: 'collections', key: 'uuid' }];
  names.forEach(({ name, key }, i) => {
    for (const row of rows[i]?.results ?? []) found.set(`${name} ${row[key]}`, row);
  });
  const content: AccountChanges = {
    format: FORMAT,
    first,
    last,
    at: String(clock?.results[0]?.at),
    changes: noted.map(({ id, tbl, key }) => ({
      id: Number(id),
      table: tbl as AccountTable,
      key: String(key),
      row: found.get(`${tbl} ${key}`) ?? null,
    })),
  };
  const suffix = crypto.randomUUID().slice(0, 8);
  await manifests.put(`${ACCOUNT_CHANGES}${idText(first)}-${idText(last)}-${suffix}`, JSON.stringify(content));
  await db.prepare('DELETE FROM account_changes WHERE id <= ?').bind(last).run();
  return noted.length === FLUSH_ROWS;
}

/** What an object says; null when there is none. One that was cut short, or overwritten, must not end a restore. */
export async function readJson<Content extends object>(
  manifests: R2Bucket,
  key: string,
): Promise<Content | 'unreadable' | null> {
  const found = await manifests.get(key);
  if (found === null) return null;
  try {
    const content: unknown = JSON.parse(await found.text());
    return typeof content === 'object' && content !== null ? (content as Content) : 'unreadable';
  } catch (error) {
    if (error instanceof SyntaxError) return 'unreadable';
    throw error;
  }
}

/** @throws Error when the object is of a later format */
export async function readChanges(manifests: R2Bucket, key: string): Promise<AccountChanges | 'unreadable' | null> {
  const content = await readJson<AccountChanges>(manifests, key);
  if (content === null || content === 'unreadable') return content;
  if (content.format !== FORMAT) throw new Error(`${key} has format ${content.format}: it needs a newer version`);
  return content;
}

/** Ids that a key of `ACCOUNT_CHANGES` says are in its object. */
export function idsOf(key: string): { first: number; last: number } {
  const [first, last] = key.slice(ACCOUNT_CHANGES.length).split('-');
  return { first: Number(first), last: Number(last) };
}
