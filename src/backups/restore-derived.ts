import type { FlushContext } from './account-log.ts';
import { type RestoreState, writeState } from './backup-state.ts';
import { snapshotSlice } from './snapshot.ts';

const ROWS = 200;
const PAGES_A_CALL = 20;

/** What the database derives from the restored rows: who is above a project, and when something inside was last modified. */
export async function deriveColumns(context: FlushContext, state: RestoreState): Promise<void> {
  const { db } = context;
  for (let page = 0; page < PAGES_A_CALL; page++) {
    const [table = '', after = ''] = state.cursor.split(' ');
    const step = STEPS[table];
    if (step === undefined) {
      await finish(context, state);
      return;
    }
    const { results } = await db
      .prepare(`SELECT uuid FROM ${step.from} AND uuid > ? ORDER BY uuid LIMIT ${ROWS}`)
      .bind(after)
      .all<{ uuid: string }>();
    const uuids = JSON.stringify(results.map(({ uuid }) => uuid));
    if (results.length > 0) await db.prepare(step.sql).bind(uuids).run();
    state.cursor = results.length < ROWS ? `${step.next} ` : `${table} ${results.at(-1)?.uuid}`;
  }
}

const CHOSEN = 'SELECT value FROM json_each(?1)';

/** Each in pages of UUIDs. The first two make `ancestors`, which the others need. */
const STEPS: Record<string, { from: string; sql: string; next: string }> = {
  groups: {
    from: "groups WHERE group_class = 'project'",
    sql: ancestorsOf(`SELECT uuid, owner_uuid FROM groups WHERE uuid IN (${CHOSEN})`),
    next: 'uploaders',
  },
  uploaders: {
    from: 'users WHERE is_uploader = 1',
    sql: ancestorsOf(`SELECT uuid, owner_uuid FROM users WHERE uuid IN (${CHOSEN})`),
    next: 'newest-in-groups',
  },
  'newest-in-groups': {
    from: "groups WHERE group_class = 'project'",
    sql: newestIn('groups', 'groups.modified_at'),
    next: 'newest-in-users',
  },
  'newest-in-users': { from: 'users WHERE TRUE', sql: newestIn('users', "''"), next: 'end' },
};

function ancestorsOf(first: string): string {
  return `INSERT OR IGNORE INTO ancestors (uuid, ancestor)
    WITH RECURSIVE up(uuid, ancestor) AS (
      ${first}
      UNION SELECT up.uuid, groups.owner_uuid FROM up JOIN groups ON groups.uuid = up.ancestor
      UNION SELECT up.uuid, users.owner_uuid FROM up JOIN users ON users.uuid = up.ancestor WHERE users.is_uploader = 1
    ) SELECT uuid, ancestor FROM up`;
}

function newestIn(table: 'groups' | 'users', own: string): string {
  return `UPDATE ${table} SET newest_at = coalesce((SELECT max(latest) FROM (
      SELECT ${own} AS latest
      UNION ALL SELECT max(modified_at) FROM collections WHERE owner_uuid = ${table}.uuid
      UNION ALL SELECT max(modified_at) FROM groups AS directly WHERE directly.owner_uuid = ${table}.uuid
      UNION ALL SELECT max(collections.modified_at) FROM ancestors CROSS JOIN collections ON collections.owner_uuid = ancestors.uuid WHERE ancestors.ancestor = ${table}.uuid
      UNION ALL SELECT max(deeper.modified_at) FROM ancestors CROSS JOIN groups AS deeper ON deeper.uuid = ancestors.uuid WHERE ancestors.ancestor = ${table}.uuid
    )), '') WHERE uuid IN (${CHOSEN})`;
}

/** New changes get ids above all that the bucket knows, and a snapshot begins the history anew. */
async function finish(context: FlushContext, state: RestoreState): Promise<void> {
  const { db } = context;
  await db.batch([
    db.prepare("INSERT INTO account_changes (id, tbl, key) VALUES (?, 'earlier', '')").bind(state.lastId + 1),
    db.prepare('DELETE FROM account_changes'),
    db.prepare('DELETE FROM file_changes'),
    db.prepare('DELETE FROM restored_keys'),
  ]);
  await writeState(db, 'earlier collections', { after: '', done: true });
  await writeState(db, 'restore', null);
  while (await snapshotSlice(context));
  state.phase = 'done';
  state.cursor = '';
}
