import type { Chunks } from '../../keep/manifest/line-tokens.ts';
import { pathText } from '../../keep/manifest/places.ts';
import { fileEtag } from '../file-etag.ts';
import { type FileTree, findNode } from '../file-tree.ts';
import { buildFileTree } from '../file-tree-builder.ts';
import { effectiveObjectEtag, objectEtag } from '../object-etag.ts';
import type { FileMetadata } from './edits.ts';
import { effectiveEtag, readMetadata } from './metadata-rows.ts';

/** Files whose metadata goes into one statement. */
const FILES_PER_STATEMENT = 500;

/**
 * Statements that let files keep the ETags that they have in the text before, while the collection is at `revision`: their
 * content is the same, the blocks that ETags are made of are not.
 */
export async function keptEtags(
  db: D1Database,
  uuid: string,
  revision: number,
  paths: string[],
  before: Chunks,
  after: Chunks,
): Promise<D1PreparedStatement[]> {
  const wanted = new Set(paths);
  const treeOf = async (text: Chunks): Promise<FileTree> =>
    (await buildFileTree(text, (path) => wanted.has(pathText(path)))).tree;
  const [old, now] = [await treeOf(before), await treeOf(after)];
  const statements: D1PreparedStatement[] = [];
  for (let from = 0; from < paths.length; from += FILES_PER_STATEMENT) {
    const some = paths.slice(from, from + FILES_PER_STATEMENT);
    const known = await readMetadata(db, uuid, some);
    const rows: { path: string; metadata: FileMetadata }[] = [];
    for (const path of some) {
      const [oldNode, newNode] = [findNode(old, path), findNode(now, path)];
      if (oldNode === null || newNode === null) continue;
      const metadata = known.get(path);
      const derived = await fileEtag(old, oldNode);
      rows.push({
        path,
        metadata: {
          ...(metadata?.of === derived ? metadata : withoutChecksum(metadata ?? {})),
          etag: effectiveEtag(derived, metadata),
          objectEtag: effectiveObjectEtag(await objectEtag(old, oldNode), derived, metadata),
          of: await fileEtag(now, newNode),
        },
      });
    }
    statements.push(
      db
        .prepare(
          `INSERT OR REPLACE INTO file_metadata SELECT ?1, value ->> 'path', value ->> 'metadata' FROM json_each(?3)
           WHERE EXISTS (SELECT 1 FROM collections WHERE uuid = ?1 AND revision = ?2)`,
        )
        .bind(uuid, revision, JSON.stringify(rows)),
    );
  }
  return statements;
}

/** It was for other content. */
function withoutChecksum({ checksum: _, ...metadata }: FileMetadata): FileMetadata {
  return metadata;
}
