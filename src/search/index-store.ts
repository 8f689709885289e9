import type { Row } from '../records/columns.ts';
import { matchQuery } from './terms.ts';

/** The search index in a D1 database of its own (migrations-search). It holds no permissions: what it finds is only looked at. */

export type Indexed = 'collections' | 'groups';

/** A record as the index takes it. @property text null for a record that is gone */
export interface Document {
  uuid: string;
  table: Indexed;
  text: string | null;
  /** The number of its change in search_pending; 0 for a rebuild. */
  seq: number;
}

export interface Progress {
  /** Key of the last record that a rebuild took. */
  time: string;
  uuid: string;
  /** Stored time; null while a rebuild is under way. */
  completedAt: string | null;
}

export type IndexStore = ReturnType<typeof createIndexStore>;

export function createIndexStore(db: D1Database) {
  /** Near the reader: what is newer than a replica is in search_pending. */
  const near = () => db.withSession('first-unconstrained');

  return {
    /**
     * Documents that may have all terms, the newest first; null while the index is not complete.
     * @param before only smaller ids
     */
    async find(
      tables: readonly Indexed[],
      terms: readonly string[],
      limit: number,
      before: number | null,
    ): Promise<{ uuid: string; id: number }[] | null> {
      const each = tables.map(
        (table) => `SELECT rowid AS id FROM ${table}_trigrams WHERE ${table}_trigrams MATCH ?1 AND rowid < ?2`,
      );
      const session = near();
      // One batch: both come from the same state of the same replica.
      const [progress, found] = await session.batch<Row>([
        session.prepare('SELECT completed_at FROM progress'),
        session
          .prepare(
            `SELECT documents.uuid, documents.id FROM (${each.join(' UNION ALL ')} ORDER BY 1 DESC LIMIT ?3) AS found
             CROSS JOIN documents ON documents.id = found.id ORDER BY documents.id DESC`,
          )
          .bind(matchQuery(terms), before ?? Number.MAX_SAFE_INTEGER, limit),
      ]);
      if (typeof progress?.results[0]?.completed_at !== 'string') return null;
      return (found?.results ?? []).map(({ uuid, id }) => ({ uuid: String(uuid), id: Number(id) }));
    },

    /** Writes documents in one transaction. One whose later change is in the index already stays. */
    async write(documents: readonly Document[]): Promise<void> {
      if (documents.length === 0) return;
      const all = JSON.stringify(documents.map(({ uuid, seq, table, text }) => [uuid, seq, table, text]));
      const older = `SELECT documents.id FROM json_each(?1) AS new CROSS JOIN documents
        ON documents.uuid = new.value ->> 0 AND documents.seq <= new.value ->> 1`;
      const drop = (table: Indexed) => `DELETE FROM ${table}_trigrams WHERE rowid IN (${older})`;
      const add = (table: Indexed) => `INSERT INTO ${table}_trigrams (rowid, text)
        SELECT documents.id, new.value ->> 3 FROM json_each(?1) AS new CROSS JOIN documents
        ON documents.uuid = new.value ->> 0 AND documents.seq = new.value ->> 1
        WHERE new.value ->> 2 = '${table}' AND new.value ->> 3 IS NOT NULL`;
      await db.batch([
        db.prepare(drop('collections')).bind(all),
        db.prepare(drop('groups')).bind(all),
        db.prepare(`DELETE FROM documents WHERE id IN (${older})`).bind(all),
        db
          .prepare(
            `INSERT OR IGNORE INTO documents (uuid, seq) SELECT value ->> 0, value ->> 1 FROM json_each(?1) WHERE value ->> 3 IS NOT NULL`,
          )
          .bind(all),
        db.prepare(add('collections')).bind(all),
        db.prepare(add('groups')).bind(all),
      ]);
    },

    async progress(): Promise<Progress> {
      const row = await db.prepare('SELECT * FROM progress').first<Row>();
      return {
        time: String(row?.after_time ?? ''),
        uuid: String(row?.after_uuid ?? ''),
        completedAt: typeof row?.completed_at === 'string' ? row.completed_at : null,
      };
    },

    async setProgress({ time, uuid, completedAt }: Progress): Promise<void> {
      await db
        .prepare('UPDATE progress SET after_time = ?, after_uuid = ?, completed_at = ?')
        .bind(time, uuid, completedAt)
        .run();
    },

    /** Empties the index: a rebuild begins anew. */
    async empty(): Promise<void> {
      await db.batch([
        db.prepare("UPDATE progress SET after_time = '', after_uuid = '', completed_at = NULL"),
        db.prepare("INSERT INTO collections_trigrams (collections_trigrams) VALUES ('delete-all')"),
        db.prepare("INSERT INTO groups_trigrams (groups_trigrams) VALUES ('delete-all')"),
        db.prepare('DELETE FROM documents'),
      ]);
    },
  };
}
