import type { Row } from '../records/columns.ts';
import { formatTime } from '../records/times.ts';
import type { Document, Indexed, IndexStore } from './index-store.ts';

/** Records of one step, and bytes of their texts: D1 takes parameters of up to 2 MB. */
const STEP_ROWS = 500;
const STEP_BYTES = 700_000;
/** A NUL would end the text for the index. */
const clean = (text: string) => text.replaceAll('\0', ' ');

const COLUMNS = { collections: 'name, description, properties, file_names', groups: 'name, description, properties' };

/** SQL of the text of a record that is searched. */
export function textSql(table: Indexed): string {
  return `concat_ws(char(10), ${COLUMNS[table]
    .split(', ')
    .map((name) => `${table}.${name}`)
    .join(', ')})`;
}

/**
 * One step of taking changed records into the index. What was taken stays in search_pending, marked, until `sweepPending`.
 * @returns whether there is more to take
 */
export async function indexChanged(db: D1Database, index: IndexStore, now: number): Promise<boolean> {
  const { results } = await db
    .prepare(
      `SELECT seq, uuid, kind, text FROM (SELECT *, sum(ifnull(octet_length(text), 0)) OVER (ORDER BY seq ROWS UNBOUNDED PRECEDING) - ifnull(octet_length(text), 0) AS before
         FROM (SELECT waiting.seq, waiting.uuid, CASE WHEN groups.uuid IS NULL THEN 'collections' ELSE 'groups' END AS kind,
             CASE WHEN groups.uuid IS NOT NULL THEN ${textSql('groups')} WHEN collections.uuid IS NOT NULL THEN ${textSql('collections')} END AS text
           FROM (SELECT seq, uuid FROM search_pending INDEXED BY search_pending_waiting WHERE indexed_at IS NULL ORDER BY seq LIMIT ${STEP_ROWS}) AS waiting
           LEFT JOIN collections ON collections.uuid = waiting.uuid LEFT JOIN groups ON groups.uuid = waiting.uuid))
       WHERE before < ${STEP_BYTES} ORDER BY seq`,
    )
    .all<Row>();
  await index.write(results.map(toDocument));
  if (results.length === 0) return false;
  // A record that has changed again meanwhile has another number, and stays waiting.
  await db
    .prepare('UPDATE search_pending SET indexed_at = ? WHERE seq IN (SELECT value FROM json_each(?))')
    .bind(formatTime(now), JSON.stringify(results.map(({ seq }) => seq)))
    .run();
  const last = Number(results.at(-1)?.seq);
  const more = await db
    .prepare(
      'SELECT 1 FROM search_pending INDEXED BY search_pending_waiting WHERE indexed_at IS NULL AND seq > ? LIMIT 1',
    )
    .bind(last)
    .first();
  return more !== null;
}

/** One step of a rebuild: the next records in the order of their times. @returns whether it goes on */
export async function rebuildStep(db: D1Database, index: IndexStore, now: number): Promise<boolean> {
  const progress = await index.progress();
  if (progress.completedAt !== null) return false;
  const next = (
    table: Indexed,
  ) => `SELECT * FROM (SELECT uuid, modified_at, '${table}' AS kind, ${textSql(table)} AS text
    FROM ${table} INDEXED BY ${table}_modified WHERE (modified_at, uuid) > (?1, ?2) ORDER BY modified_at, uuid LIMIT ${STEP_ROWS})`;
  const { results } = await db
    .prepare(
      `SELECT 0 AS seq, uuid, kind, modified_at, text FROM (
         SELECT *, sum(octet_length(text)) OVER (ORDER BY modified_at, uuid ROWS UNBOUNDED PRECEDING) - octet_length(text) AS before
         FROM (${next('groups')} UNION ALL ${next('collections')} ORDER BY modified_at, uuid LIMIT ${STEP_ROWS}))
       WHERE before < ${STEP_BYTES} ORDER BY modified_at, uuid`,
    )
    .bind(progress.time, progress.uuid)
    .all<Row>();
  await index.write(results.map(toDocument));
  const last = results.at(-1);
  await index.setProgress(
    last === undefined
      ? { ...progress, completedAt: formatTime(now) }
      : { time: String(last.modified_at), uuid: String(last.uuid), completedAt: null },
  );
  return last !== undefined;
}

/** Forgets what was indexed before a time. @param before stored time */
export async function sweepPending(db: D1Database, before: string): Promise<void> {
  await db.prepare('DELETE FROM search_pending WHERE indexed_at < ? AND indexed_at IS NOT NULL').bind(before).run();
}

function toDocument({ uuid, kind, text, seq }: Row): Document {
  return {
    uuid: String(uuid),
    table: kind === 'groups' ? 'groups' : 'collections',
    text: typeof text === 'string' ? clean(text) : null,
    seq: Number(seq),
  };
}
