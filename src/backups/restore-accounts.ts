import type { Row } from '../records/columns.ts';
import {
  ACCOUNT_CHANGES,
  ACCOUNT_TABLES,
  type AccountTable,
  type FlushContext,
  idsOf,
  readChanges,
  readJson,
} from './account-log.ts';
import type { RestoreState } from './backup-state.ts';
import { columnsOf, insertRows } from './restore-rows.ts';
import { newestSnapshot } from './snapshot.ts';

/** A time at which a token that cannot be proven good has expired. */
const LONG_AGO = '0001-01-01T00:00:00.000000000Z';
/** Objects of one call: D1 takes 1,000 statements an invocation. */
const OBJECTS_A_CALL = 200;

/** What a restore of accounts reads, newest first: keys of change objects, then parts of the snapshot. */
interface Plan {
  changes: string[];
  parts: string[];
  unproven: string | null;
  lastId: number;
  at: string;
}

/** Reads the names of all objects, and every change, before anything is restored: what is missing decides about tokens. */
export async function planAccounts({ manifests }: FlushContext): Promise<Plan> {
  const snapshot = await newestSnapshot(manifests);
  const covered = snapshot?.id ?? 0;
  const keys: string[] = [];
  for (let after = ''; ; ) {
    const page = await manifests.list({ prefix: ACCOUNT_CHANGES, ...(after === '' ? {} : { startAfter: after }) });
    keys.push(...page.objects.map(({ key }) => key));
    after = page.objects.at(-1)?.key ?? '';
    if (!page.truncated || after === '') break;
  }
  const since = keys.filter((key) => idsOf(key).last > covered);
  const parts = Array.from(
    { length: snapshot?.parts ?? 0 },
    (_, i) => `${snapshot?.prefix}${String(i + 1).padStart(6, '0')}`,
  );
  const lastId = Math.max(covered, ...since.map((key) => idsOf(key).last));
  const gap = snapshot?.damaged ?? gapIn(since, covered) ?? (await missingPart(manifests, parts));
  return {
    // The newest first; of those that end alike the one that begins first holds all.
    changes: since.sort((a, b) => idsOf(b).last - idsOf(a).last || idsOf(a).first - idsOf(b).first),
    parts,
    unproven: gap,
    lastId,
    at: snapshot?.at ?? '',
  };
}

function gapIn(keys: string[], covered: number): string | null {
  let last = covered;
  for (const { first, last: end } of keys.map(idsOf).sort((a, b) => a.first - b.first)) {
    if (first > last + 1) return `changes ${last + 1} to ${first - 1} of accounts are not in the bucket`;
    last = Math.max(last, end);
  }
  return null;
}

async function missingPart(manifests: R2Bucket, parts: string[]): Promise<string | null> {
  for (const key of parts)
    if ((await manifests.head(key)) === null) return `${key}, a part of the last snapshot, is not in the bucket`;
  return null;
}

/** Some objects for one table; then the next table. */
export async function restoreAccounts(context: FlushContext, state: RestoreState): Promise<void> {
  const { db, manifests } = context;
  const { changes, parts } = await planAccounts(context);
  const [table = 0, from = 0] = state.cursor.split(' ').map(Number);
  const name = ACCOUNT_TABLES[table]?.name;
  if (name === undefined) {
    Object.assign(state, { phase: 'derived', cursor: 'groups ' });
    return;
  }
  const columns = await columnsOf(db, name);
  const objects = [...changes, ...parts];
  const chosen = objects.slice(from, from + OBJECTS_A_CALL);
  for (const [i, key] of chosen.entries()) {
    const isChange = from + i < changes.length;
    await (isChange ? applyChanges(key) : applyPart(key));
  }
  const isOver = from + chosen.length >= objects.length;
  state.cursor = isOver ? `${table + 1} 0` : `${table} ${from + chosen.length}`;

  async function applyChanges(key: string): Promise<void> {
    const content = await readChanges(manifests, key);
    if (content === null) return;
    if (content === 'unreadable') return unread(key);
    if (content.at > state.moment) state.moment = content.at;
    const own = content.changes.filter((change) => change.table === name);
    await apply(
      name as AccountTable,
      own.map(({ row }) => row).filter((row) => row !== null),
      own.map((change) => change.key),
    );
    if (content.changes.some((change) => change.table === 'earlier') && parts.length === 0)
      state.unproven ??= 'accounts from before the upgrade were never in a snapshot';
    // With the first table, because collections are there by then.
    if (table === 0)
      await moveCollections(content.changes.flatMap((change) => (change.table === 'collections' ? [change.row] : [])));
  }

  async function applyPart(key: string): Promise<void> {
    const content = await readJson<{ table: string; rows: Row[] }>(manifests, key);
    if (content === 'unreadable') return unread(key);
    if (content !== null && content.table === name) await apply(content.table, content.rows, []);
  }

  /** Said with the first table, and so before any token is restored. */
  function unread(key: string): void {
    if (table > 0) return;
    state.unproven ??= `${key}, a part of the accounts, cannot be read`;
    state.problems.push(`${key} cannot be read`);
  }

  /** Rows whose key was not seen in a newer object. */
  async function apply(target: string, rows: Row[], keys: string[]): Promise<void> {
    if (rows.length + keys.length === 0) return;
    const keyColumn = ACCOUNT_TABLES[table]?.key ?? 'uuid';
    const known = uniqueBy(rows, keyColumn).map((row) =>
      target === 'tokens' && state.unproven !== null ? { ...row, expires_at: LONG_AGO } : row,
    );
    const results = await db.batch([
      ...insertRows(db, target, columns, known, {
        guard: `NOT EXISTS (SELECT 1 FROM restored_keys WHERE tbl = ?2 AND key = value ->> '$.${keyColumn}')${
          target === 'tokens' ? " AND EXISTS (SELECT 1 FROM users WHERE uuid = value ->> '$.owner_uuid')" : ''
        }`,
        values: [target],
      }),
      db
        .prepare('INSERT OR IGNORE INTO restored_keys (tbl, key) SELECT ?2, value FROM json_each(?1)')
        .bind(JSON.stringify(keys), target),
    ]);
    const inserted = results.slice(0, -1).reduce((sum, { meta }) => sum + meta.changes, 0);
    state.counts[target] = (state.counts[target] ?? 0) + inserted;
  }

  async function moveCollections(rows: (Row | null)[]): Promise<void> {
    const moved = rows.filter((row) => row !== null);
    if (moved.length === 0) return;
    await db
      .prepare(
        `UPDATE collections SET owner_uuid = moved.value ->> '$.owner_uuid' FROM json_each(?) AS moved
         WHERE collections.uuid = moved.value ->> '$.uuid' AND collections.revision <= moved.value ->> '$.revision'
           AND NOT EXISTS (SELECT 1 FROM restored_keys WHERE tbl = 'collections' AND key = collections.uuid)`,
      )
      .bind(JSON.stringify(moved))
      .run();
    await db
      .prepare(
        "INSERT OR IGNORE INTO restored_keys (tbl, key) SELECT 'collections', value ->> '$.uuid' FROM json_each(?)",
      )
      .bind(JSON.stringify(moved))
      .run();
  }
}

function uniqueBy(rows: Row[], key: string): Row[] {
  return [...new Map(rows.map((row) => [row[key], row])).values()];
}
