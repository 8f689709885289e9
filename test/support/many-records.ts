/** Accounts with many records for tests and benchmarks of the database, written past the service. */

interface Statements {
  prepare(sql: string): { run(): Promise<unknown> };
}

const EPOCH_SECONDS = 1_767_225_600;
/** Of one statement: D1 ends those that run for long. */
const STEP = 20_000;
export const PER_PROJECT = 10;

export const id = (infix: string, number: number) => `xedge-${infix}-${String(number).padStart(15, '0')}`;
export const OWNER = id('tpzed', 1);
export const SMALL_OWNER = id('tpzed', 2);
export const MEMBER = id('tpzed', 3);
export const ROLE = id('j7d0g', 900_000_000);
/** Below it is nearly everything. */
export const ROOT_PROJECT = id('j7d0g', 1);

/**
 * `collections` of one user in a tree of projects, ten in each, three levels below the home; a user with five of their
 * own; and a user who sees the former's through a role.
 * @param apart collections next to each other in time are in different projects: the worst case for a list by time
 */
export async function seedRecords(db: Statements, collections: number, apart = false): Promise<void> {
  const projects = Math.max(1, Math.floor(collections / PER_PROJECT));
  const times = "'2026-01-01T00:00:00.000000000Z', '2026-01-01T00:00:00.000000000Z', 'xedge-tpzed-000000000000000'";
  const people = [OWNER, SMALL_OWNER, MEMBER].map(
    (uuid, index) => `('${uuid}', 'xedge-tpzed-000000000000000', 'user${index}', ${times})`,
  );
  await db
    .prepare(
      `INSERT INTO users (uuid, owner_uuid, username, created_at, modified_at, modified_by_user_uuid) VALUES ${people.join(', ')}`,
    )
    .run();
  const root = Math.max(1, Math.floor(Math.sqrt(projects)));
  const owner = `CASE WHEN i = 1 THEN '${OWNER}' WHEN i <= ${root} THEN '${ROOT_PROJECT}' ELSE 'xedge-j7d0g-' || printf('%015d', 2 + i % max(1, ${root} - 1)) END`;
  await steps(
    db,
    projects,
    (numbers) =>
      `${numbers} INSERT INTO groups (uuid, owner_uuid, name, created_at, modified_at, modified_by_user_uuid)
     SELECT 'xedge-j7d0g-' || printf('%015d', i), ${owner}, 'project ' || i, ${times} FROM n`,
  );
  await steps(
    db,
    collections,
    (numbers) =>
      `${numbers} INSERT INTO collections (uuid, owner_uuid, name, portable_data_hash, manifest_inline, manifest_bytes, file_count, file_size_total, created_at, modified_at, modified_by_user_uuid)
     SELECT 'xedge-4zz18-' || printf('%015d', i), 'xedge-j7d0g-' || printf('%015d', ${apart ? `1 + i % ${projects}` : `min(${projects}, 1 + i / ${PER_PROJECT})`}), 'sample ' || i,
       printf('%032x', i) || '+100', printf('%.*c', 200, 'x'), 200, 1, 100, '2026-01-01T00:00:00.000000000Z',
       strftime('%Y-%m-%dT%H:%M:%f000000Z', ${EPOCH_SECONDS} + i, 'unixepoch'), '${OWNER}' FROM n`,
  );
  await steps(
    db,
    5,
    (numbers) =>
      `${numbers} INSERT INTO collections (uuid, owner_uuid, name, portable_data_hash, manifest_inline, manifest_bytes, file_count, file_size_total, created_at, modified_at, modified_by_user_uuid)
     SELECT 'xedge-4zz18-' || printf('9%014d', i), '${SMALL_OWNER}', 'own ' || i, printf('%032x', 1000000000 + i) || '+100', '', 0, 1, 100, ${times} FROM n`,
  );
  await db
    .prepare(
      `INSERT INTO groups (uuid, owner_uuid, name, group_class, created_at, modified_at, modified_by_user_uuid) VALUES ('${ROLE}', 'xedge-tpzed-000000000000000', 'role', 'role', ${times})`,
    )
    .run();
  const link = (number: number, tail: string, head: string, headClass: string) =>
    `('${id('o0j2j', number)}', 'xedge-tpzed-000000000000000', 'permission', 'can_read', '${tail}', '${head}', '${headClass}', 1, ${times})`;
  await db
    .prepare(`INSERT INTO links (uuid, owner_uuid, link_class, name, tail_uuid, head_uuid, head_class, level, created_at, modified_at, modified_by_user_uuid)
    VALUES ${link(1, MEMBER, ROLE, 'role')}, ${link(2, ROLE, ROOT_PROJECT, 'project')}`)
    .run();
}

async function steps(db: Statements, total: number, sql: (numbers: string) => string): Promise<void> {
  for (let from = 1; from <= total; from += STEP) {
    const to = Math.min(total, from + STEP - 1);
    await db
      .prepare(sql(`WITH RECURSIVE n(i) AS (SELECT ${from} UNION ALL SELECT i + 1 FROM n WHERE i < ${to})`))
      .run();
  }
}
