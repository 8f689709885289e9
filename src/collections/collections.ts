import type { User } from '../accounts/account.ts';
import { isKeepError, KeepError } from '../keep/errors.ts';
import { type Row, toRecord } from '../records/columns.ts';
import { createUuid, INFIX, isUuid } from '../records/ids.ts';
import { selectColumns } from '../records/list-query.ts';
import { formatTime } from '../records/times.ts';
import { insertStatement, isDuplicate, updateRow } from '../records/write.ts';
import { CollectionAttributes, checkAttributes, trashTimes } from './attributes.ts';
import { deleteManifest, readManifest, type StoredManifest } from './manifest-store.ts';
import { NOT_TRASHED, ownedBy, requireOwnerWritable } from './permission.ts';
import { type LocatorCheck, type StagedManifest, stageManifest } from './stage-manifest.ts';
import { COLLECTIONS } from './tables.ts';

/** What the collections room needs from the outside. */
export interface CollectionsSetup {
  db: D1Database;
  /** Holds the texts of large manifests. */
  manifests: R2Bucket;
  clusterId: string;
  defaultStorageClasses: string[];
  /** How long a trashed collection can be brought back. */
  trashLifetimeSeconds: number;
  /** Unix milliseconds. */
  now: () => number;
}

/** A collection's record and where its text is. */
export interface Collection {
  record: Row;
  stored: StoredManifest;
  /** Of the text. */
  manifestBytes: number;
  /** Grows with every change. */
  revision: number;
}

export interface Change {
  attributes: Row;
  /** Null: the text stays as it is (or is empty). */
  manifest: StagedManifest | null;
  ensureUniqueName?: boolean;
  /** Only if the collection is still at this revision. */
  revision?: number;
}

export interface GetOptions {
  includeTrash?: boolean;
}

export type Collections = ReturnType<typeof createCollections>;

const COLUMNS = [
  ...selectColumns(COLLECTIONS, undefined),
  'manifest_inline',
  'manifest_key',
  'manifest_bytes',
  'revision',
].join(', ');
/** How often a reader looks again when the text was replaced between its row and its bytes. */
const READ_ATTEMPTS = 3;
const UNIQUE_NAME_LENGTH = 237;
const UUID_TAIL = 12;

/** Collections on D1. A user sees and changes what they own, directly or through projects and uploader accounts. */
export function createCollections(setup: CollectionsSetup) {
  const { db, manifests, now } = setup;

  async function find(id: string, user: User, { includeTrash = false }: GetOptions = {}): Promise<Collection> {
    const byUuid = isUuid(id, INFIX.collection);
    const pdh = /^([0-9a-f]{32}\+\d+)/.exec(id)?.[1];
    if (!byUuid && pdh === undefined) throw notFound();
    const conditions = [
      { sql: byUuid ? 'uuid = ?' : 'portable_data_hash = ?', values: [byUuid ? id : (pdh ?? '')] },
      ...ownedBy(user),
      ...(includeTrash ? [] : [NOT_TRASHED]),
    ];
    const row = await db
      .prepare(
        `SELECT ${COLUMNS} FROM collections WHERE ${conditions.map(({ sql }) => `(${sql})`).join(' AND ')} ORDER BY trash_at IS NOT NULL, modified_at DESC LIMIT 1`,
      )
      .bind(...conditions.flatMap(({ values }) => values))
      .first<Row>();
    if (row === null) throw notFound();
    return toCollection(row);
  }

  /** Changes address a collection by its UUID: a portable data hash stands for any of many. */
  function findByUuid(uuid: string, user: User, options?: GetOptions): Promise<Collection> {
    if (!isUuid(uuid, INFIX.collection)) throw notFound();
    return find(uuid, user, options);
  }

  /** A refused change's manifest is forgotten. After any other failure the row may refer to it: rather keep it. */
  async function takeOver<T>({ manifest }: Change, commit: () => Promise<T>): Promise<T> {
    try {
      return await commit();
    } catch (error) {
      if (isKeepError(error) && manifest !== null) await deleteManifest(manifests, manifest.stored);
      throw error;
    }
  }

  /** The fields that an accepted change writes. */
  async function columnsOf({ attributes, manifest }: Change, user: User): Promise<Row> {
    const a = checkAttributes(CollectionAttributes, attributes);
    if (a.owner_uuid) await requireOwnerWritable(db, a.owner_uuid, user);
    const wanted = a.portable_data_hash?.slice(0, 32);
    if (wanted && manifest !== null && wanted !== manifest.portableDataHash.slice(0, 32)) {
      throw new KeepError('invalid_record', { message: 'portable_data_hash does not match the manifest' });
    }
    return {
      ...(a.owner_uuid ? { owner_uuid: a.owner_uuid } : {}),
      ...(a.name === undefined ? {} : { name: a.name === '' ? null : a.name }),
      ...(a.description === undefined ? {} : { description: a.description }),
      ...(a.properties === undefined ? {} : { properties: a.properties }),
      ...(a.replication_desired === undefined ? {} : { replication_desired: a.replication_desired }),
      ...(a.storage_classes_desired ? { storage_classes_desired: JSON.stringify(a.storage_classes_desired) } : {}),
      ...(a.trash_at === undefined ? {} : trashTimes(a.trash_at, a.delete_at, now(), setup.trashLifetimeSeconds)),
      ...(manifest === null ? {} : manifestColumns(manifest)),
      preserve_version: a.preserve_version === true ? 1 : 0,
      modified_at: formatTime(now()),
      modified_by_user_uuid: user.uuid,
    };
  }

  return {
    find,

    /** Takes a manifest in. Give it to create or update, or else discard it. */
    stage: (chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>, check: LocatorCheck) =>
      stageManifest(manifests, chunks, check),
    /** The text of a manifest that was taken in. */
    staged: (staged: StagedManifest) => readManifest(manifests, staged.stored),
    discard: (staged: StagedManifest) => deleteManifest(manifests, staged.stored),

    /** Takes the change's manifest over, also when it refuses. @throws KeepError invalid_record, forbidden */
    async create(change: Change, user: User): Promise<Collection> {
      const uuid = createUuid(setup.clusterId, INFIX.collection);
      await takeOver(change, async () => {
        const row: Row = {
          uuid,
          owner_uuid: user.uuid,
          storage_classes_desired: JSON.stringify(setup.defaultStorageClasses),
          ...manifestColumns(change.manifest ?? (await stageManifest(manifests, [], null))),
          created_at: formatTime(now()),
          ...(await columnsOf(change, user)),
        };
        await insertNamed(db, 'collections', row, change.ensureUniqueName === true);
      });
      return find(uuid, user, { includeTrash: true });
    },

    /**
     * Takes the change's manifest over, also when it refuses.
     * @throws KeepError not_found, invalid_record, forbidden; precondition_failed when somebody else was faster
     */
    async update(uuid: string, change: Change, user: User): Promise<Collection> {
      const before = await takeOver(change, async () => {
        const found = await findByUuid(uuid, user);
        const revision = change.revision ?? found.revision;
        const columns = { ...(await columnsOf(change, user)), revision: revision + 1 };
        const guard = { sql: 'revision = ?', values: [revision] };
        if (await updateRow(db, 'collections', uuid, columns, guard)) return found;
        throw new KeepError('precondition_failed', {
          message: 'somebody else changed the collection at the same time: try again',
        });
      });
      if (change.manifest !== null) await deleteManifest(manifests, before.stored);
      return find(uuid, user, { includeTrash: true });
    },

    /** Puts a collection into the trash, from where it can be brought back for the trash lifetime. */
    async trash(uuid: string, user: User): Promise<Collection> {
      const { record, revision } = await findByUuid(uuid, user, { includeTrash: true });
      if (record.is_trashed !== true) {
        await updateRow(db, 'collections', uuid, {
          ...trashTimes(formatTime(now()), null, now(), setup.trashLifetimeSeconds),
          modified_at: formatTime(now()),
          modified_by_user_uuid: user.uuid,
          revision: revision + 1,
        });
      }
      return find(uuid, user, { includeTrash: true });
    },

    /** @throws KeepError invalid_record when it is not trashed or its name is taken by now */
    async untrash(uuid: string, user: User, ensureUniqueName: boolean): Promise<Collection> {
      const { record, revision } = await findByUuid(uuid, user, { includeTrash: true });
      if (record.trash_at === null)
        throw new KeepError('invalid_record', { message: 'the collection is not in the trash' });
      const row: Row = {
        trash_at: null,
        delete_at: null,
        modified_at: formatTime(now()),
        modified_by_user_uuid: user.uuid,
        revision: revision + 1,
      };
      try {
        await updateRow(db, 'collections', uuid, row);
      } catch (error) {
        if (!ensureUniqueName || !(error instanceof KeepError)) throw error;
        await updateRow(db, 'collections', uuid, { ...row, name: uniqueName(String(record.name), uuid) });
      }
      return find(uuid, user);
    },

    /** The text without signatures. A text that is replaced meanwhile is looked up again. */
    async text(collection: Collection, user: User): Promise<ReadableStream<Uint8Array>> {
      let current = collection;
      for (let attempt = 0; attempt < READ_ATTEMPTS; attempt++) {
        const stream = await readManifest(manifests, current.stored);
        if (stream !== null) return stream;
        current = await find(String(collection.record.uuid), user, { includeTrash: true });
      }
      throw new KeepError('internal', {
        cause: new Error(`the manifest of ${collection.record.uuid} is not in the bucket`),
      });
    },

    /** Deletes what has been in the trash long enough. @returns how many collections went */
    async sweep(): Promise<number> {
      const { results } = await db
        .prepare('DELETE FROM collections WHERE delete_at <= ? RETURNING manifest_key')
        .bind(formatTime(now()))
        .all<{ manifest_key: string | null }>();
      const keys = results.flatMap(({ manifest_key }) => manifest_key ?? []);
      for (let from = 0; from < keys.length; from += 1000) await manifests.delete(keys.slice(from, from + 1000));
      return results.length;
    },
  };
}

/**
 * Inserts a record whose name may be taken: then, if asked, the name gets the UUID's end in parentheses.
 * @throws KeepError invalid_record
 */
export async function insertNamed(db: D1Database, table: string, row: Row, ensureUniqueName: boolean): Promise<void> {
  try {
    await insertStatement(db, table, row).run();
  } catch (cause) {
    if (!isDuplicate(cause)) throw cause;
    if (!ensureUniqueName)
      throw new KeepError('invalid_record', {
        message: 'Name has already been taken (UniqueViolation: duplicate key)',
        cause,
      });
    await insertStatement(db, table, { ...row, name: uniqueName(String(row.name), String(row.uuid)) }).run();
  }
}

function uniqueName(name: string, uuid: string): string {
  return `${name.slice(0, UNIQUE_NAME_LENGTH)} (${uuid.slice(UUID_TAIL)})`;
}

function manifestColumns({ stored, bytes, portableDataHash, fileCount, fileSizeTotal }: StagedManifest): Row {
  return {
    portable_data_hash: portableDataHash,
    manifest_inline: stored.inline,
    manifest_key: stored.key,
    manifest_bytes: bytes,
    file_count: fileCount,
    file_size_total: fileSizeTotal,
  };
}

function toCollection({ manifest_inline, manifest_key, manifest_bytes, revision, ...row }: Row): Collection {
  const record = { kind: COLLECTIONS.kind, etag: `${revision}`, ...toRecord(COLLECTIONS, row) };
  const stored: StoredManifest =
    typeof manifest_key === 'string'
      ? { inline: null, key: manifest_key }
      : { inline: String(manifest_inline ?? ''), key: null };
  return {
    record: { ...record, name: row.name ?? '' },
    stored,
    manifestBytes: Number(manifest_bytes),
    revision: Number(revision),
  };
}

function notFound(): KeepError {
  return new KeepError('not_found', { message: 'Path not found' });
}
