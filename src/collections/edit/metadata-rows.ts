import { KeepError } from '../../keep/errors.ts';
import { etagOfRanges } from '../file-etag.ts';
import type { BlockRange, Edit, FileMetadata, NodeKind } from './edits.ts';

/** Bytes of one file's metadata as JSON: what S3 allows, and a little more. */
export const MAX_METADATA_BYTES = 4096;

/**
 * Statements that bring the metadata of files in step with edits. Each has an effect only while the collection is at
 * `revision`: they come before the update of its row, in one batch.
 */
export function metadataStatements(
  db: D1Database,
  uuid: string,
  revision: number,
  edits: readonly Edit[],
  kindOf: (path: string) => NodeKind,
): D1PreparedStatement[] {
  const isCurrent = 'EXISTS (SELECT 1 FROM collections WHERE uuid = ?1 AND revision = ?2)';
  const statement = (sql: string, ...values: (string | number)[]) => db.prepare(sql).bind(uuid, revision, ...values);
  const copies = edits.flatMap((edit) =>
    (edit.kind === 'copy' || edit.kind === 'move') && edit.from !== edit.to ? copiedRanges(edit) : [],
  );
  const written = edits.flatMap((edit) => {
    if (edit.kind === 'mkdir' || edit.kind === 'properties' || edit.kind === 'unmark') return [];
    if (edit.kind === 'delete' && edit.prunes === true && kindOf(edit.path) !== 'file') return [];
    return edit.kind === 'move' ? [edit.from, edit.to] : ['to' in edit ? edit.to : edit.path];
  });
  const gone = written.filter((path) => kindOf(path) !== 'absent');
  return [
    // Copies are made aside first: their sources may be among what is removed.
    ...inPortions(copies).map((ranges) =>
      statement(
        `INSERT OR REPLACE INTO file_metadata
         SELECT ?1, '${ASIDE}' || (copy.value ->> 'to') || substr(kept.path, (copy.value ->> 'cut') + 1), kept.metadata
         FROM json_each(?3) AS copy CROSS JOIN file_metadata AS kept
         WHERE kept.collection_uuid = ?1 AND kept.path >= (copy.value ->> 'first') AND kept.path < (copy.value ->> 'end')
         AND ${isCurrent}`,
        ranges,
      ),
    ),
    ...(gone.includes('')
      ? [
          statement(
            `DELETE FROM file_metadata WHERE collection_uuid = ?1 AND substr(path, 1, 1) <> '${ASIDE}' AND ${isCurrent}`,
          ),
        ]
      : inPortions(gone).map((paths) =>
          statement(
            `DELETE FROM file_metadata WHERE collection_uuid = ?1 AND ${isCurrent} AND path IN (
               SELECT value FROM json_each(?3) UNION ALL
               SELECT kept.path FROM json_each(?3) AS gone CROSS JOIN file_metadata AS kept
               WHERE kept.collection_uuid = ?1 AND kept.path > gone.value || '/' AND kept.path < gone.value || '0')`,
            paths,
          ),
        )),
    ...(copies.length === 0
      ? []
      : [
          statement(
            `UPDATE OR REPLACE file_metadata SET path = substr(path, 2)
             WHERE collection_uuid = ?1 AND path >= '${ASIDE}' AND path < '0' AND ${isCurrent}`,
          ),
        ]),
    ...edits.flatMap((edit) => {
      if (edit.kind === 'properties')
        return statement(
          `INSERT INTO file_metadata SELECT ?1, ?3, json_patch('{}', ?4) WHERE ${isCurrent}
           ON CONFLICT DO UPDATE SET metadata = json_patch(metadata, ?4)`,
          edit.path,
          JSON.stringify({ properties: edit.set }),
        );
      if (edit.kind === 'unmark')
        return statement(
          `DELETE FROM file_metadata WHERE collection_uuid = ?1 AND path = ?3 AND ${isCurrent}`,
          edit.path,
        );
      if (!('metadata' in edit) || edit.metadata === undefined) return [];
      return statement(
        `INSERT OR REPLACE INTO file_metadata SELECT ?1, ?3, ?4 WHERE ${isCurrent}`,
        edit.path,
        JSON.stringify(edit.kind === 'put' ? bound(edit.metadata, edit.ranges) : edit.metadata),
      );
    }),
  ];
}

/** No path begins with it: rows that do are on their way. The next character is `0`. */
const ASIDE = '/';

/** Rows whose paths lie between `first` and `end` get paths that begin with `to` in place of the first `cut` characters. */
interface CopiedRange {
  first: string;
  end: string;
  cut: number;
  to: string;
}

/** What a copy takes along: the path itself, and what is below it. Ranges of the index, not conditions: a collection may have very many rows. */
function copiedRanges({ from, to, ...edit }: Extract<Edit, { kind: 'copy' | 'move' }>): CopiedRange[] {
  const cut = [...from].length;
  const own = { first: from, end: `${from}\u0001`, cut, to };
  if ('shallow' in edit && edit.shallow === true) return [own];
  const into = to === '' ? '' : `${to}/`;
  if (from !== '') return [own, { first: `${from}/`, end: `${from}0`, cut: cut + 1, to: into }];
  // Everything but what is aside.
  return [own, { first: '\u0001', end: ASIDE, cut: 0, to: into }, { first: '0', end: '\u{10ffff}', cut: 0, to: into }];
}

/** As JSON lists, each as long as one statement takes. */
function inPortions(values: readonly (string | object)[]): string[] {
  const portions: string[] = [];
  let texts: string[] = [];
  let chars = 0;
  for (const value of values) {
    const text = JSON.stringify(value);
    if (chars + text.length > MAX_PATHS_CHARS && texts.length > 0) {
      portions.push(`[${texts.join()}]`);
      [texts, chars] = [[], 0];
    }
    texts.push(text);
    chars += text.length;
  }
  return texts.length === 0 ? portions : [...portions, `[${texts.join()}]`];
}

/** Characters of paths that one statement is given: far below what a parameter may have. */
const MAX_PATHS_CHARS = 500_000;

/** An ETag or checksum that a client was given stands for the content it was given for. */
function bound(metadata: FileMetadata, ranges: readonly BlockRange[]): FileMetadata {
  return metadata.etag === undefined && metadata.checksum === undefined
    ? metadata
    : { ...metadata, of: etagOfRanges(ranges) };
}

/** The ETag of a file by whose content `derived` is: a stored one goes before it, if it is for the same content. */
export function effectiveEtag(derived: string, metadata: FileMetadata | undefined): string {
  const { etag, of = derived } = metadata ?? {};
  return etag !== undefined && of === derived ? etag : derived;
}

/** Whether edits bring metadata: then, and where a collection has some already, it is kept in step. */
export function bringsMetadata(edits: readonly Edit[]): boolean {
  return edits.some((edit) => edit.kind === 'properties' || ('metadata' in edit && edit.metadata !== undefined));
}

/** @throws KeepError bad_request, full when a file or directory would have more metadata than is kept */
export async function checkMetadataSizes(db: D1Database, uuid: string, edits: readonly Edit[]): Promise<void> {
  for (const edit of edits) {
    if ('metadata' in edit && sizeOf(edit.metadata ?? {}) > MAX_METADATA_BYTES)
      throw new KeepError('bad_request', { message: `metadata of a file may have ${MAX_METADATA_BYTES} bytes` });
    if (edit.kind !== 'properties') continue;
    const metadata = (await readMetadata(db, uuid, [edit.path])).get(edit.path) ?? {};
    const kept = Object.entries({ ...metadata.properties, ...edit.set }).filter(([, value]) => value !== null);
    if (sizeOf({ ...metadata, properties: Object.fromEntries(kept) }) > MAX_METADATA_BYTES)
      throw new KeepError('full', { message: `properties of one resource may have ${MAX_METADATA_BYTES} bytes` });
  }
}

function sizeOf(metadata: object): number {
  return new TextEncoder().encode(JSON.stringify(metadata)).byteLength;
}

/** Metadata of the files named. */
export async function readMetadata(db: D1Database, uuid: string, paths: string[]): Promise<Map<string, FileMetadata>> {
  const { results } = await db
    .prepare(
      'SELECT path, metadata FROM file_metadata WHERE collection_uuid = ? AND path IN (SELECT value FROM json_each(?))',
    )
    .bind(uuid, JSON.stringify(paths))
    .all<{ path: string; metadata: string }>();
  return new Map(results.map(({ path, metadata }) => [path, JSON.parse(metadata) as FileMetadata]));
}

/** Which of these paths have metadata. */
export async function pathsWithMetadata(db: D1Database, uuid: string, paths: readonly string[]): Promise<Set<string>> {
  const found = new Set<string>();
  for (let from = 0; from < paths.length; ) {
    let to = from;
    for (let chars = 0; to < paths.length && chars < MAX_PATHS_CHARS; to++) chars += paths[to]?.length ?? 0;
    for (const path of (await readMetadata(db, uuid, paths.slice(from, to))).keys()) found.add(path);
    from = to;
  }
  return found;
}

/** Rows of properties that one listing reads: what is beyond them is listed without. */
const MAX_LISTED_PROPERTIES = 2000;

/** Properties that clients have set, by path: of a path, of its members (depth 1), of all below it. */
export async function propertiesBelow(
  db: D1Database,
  uuid: string,
  path: string,
  depth: '0' | '1' | 'infinity',
): Promise<Map<string, Record<string, string>>> {
  const below = path === '' ? '' : `${path}/`;
  const range = "path >= ?3 AND (?3 = '' OR path < substr(?3, 1, length(?3) - 1) || '0')";
  const deep = depth === '1' ? `${range} AND instr(substr(path, length(?3) + 1), '/') = 0` : range;
  const { results } = await db
    .prepare(
      `SELECT path, json_extract(metadata, '$.properties') AS properties FROM file_metadata
       WHERE collection_uuid = ?1 AND (path = ?2${depth === '0' ? '' : ` OR (${deep})`})
       AND json_type(metadata, '$.properties') = 'object' ORDER BY path LIMIT ${MAX_LISTED_PROPERTIES}`,
    )
    .bind(uuid, path, ...(depth === '0' ? [] : [below]))
    .all<{ path: string; properties: string }>();
  return new Map(results.map((row) => [row.path, JSON.parse(row.properties) as Record<string, string>]));
}

const DELETED_AT_ONCE = 5000;

/** Deletes the metadata of collections that are deleted, in batches. */
export async function deleteMetadata(db: D1Database, uuids: string[]): Promise<void> {
  const statement = db
    .prepare(
      `DELETE FROM file_metadata WHERE (collection_uuid, path) IN (SELECT collection_uuid, path FROM file_metadata
       WHERE collection_uuid IN (SELECT value FROM json_each(?)) LIMIT ${DELETED_AT_ONCE})`,
    )
    .bind(JSON.stringify(uuids));
  while ((await statement.run()).meta.changes >= DELETED_AT_ONCE);
}
