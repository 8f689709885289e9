import type { User } from '../accounts/account.ts';
import { canRead, LEVEL, requireAtLeast, toLevel } from '../accounts/levels.ts';
import { levelFor } from '../accounts/permission-sql.ts';
import { notTrashed, readableRow } from '../accounts/readable-sql.ts';
import { isKeepError, KeepError } from '../keep/errors.ts';
import type { Row } from '../records/columns.ts';
import { deleteRows } from '../records/delete-rows.ts';
import { createUuid, INFIX, isUuid } from '../records/ids.ts';
import { formatTime, isStoredTime } from '../records/times.ts';
import { insertNamed, uniqueName } from '../records/write-row.ts';
import { CollectionAttributes, checkAttributes, trashTimes } from './attributes.ts';
import { hasBackup, writeBackup } from './backup.ts';
import { type Alongside, changeRow } from './change-row.ts';
import { checkedManifest } from './checked-manifest.ts';
import { type Collection, columnsToRead, manifestColumns, toCollection } from './collection-row.ts';
import { planEdits } from './edit/apply.ts';
import type { Edit, SegmentReplacement } from './edit/edits.ts';
import { deleteMetadata } from './edit/metadata-rows.ts';
import { createTexts, stageNormalised, stageSegments } from './edit/texts.ts';
import { deleteManifest, readManifest } from './manifest-store.ts';
import { requireOwnerWritable } from './permission.ts';
import { requireRoom } from './quota.ts';
import { type LocatorCheck, type StagedManifest, stageManifest } from './stage-manifest.ts';
import { COLLECTIONS } from './tables.ts';
import { COLLECTION_STATES, STATES_CTE, stateLevelSql, stateNotTrashed } from './version-states.ts';
import { deleteVersionsOf, restoreMetadataStatements, type VersionSettings } from './versions.ts';

/** Bindings and settings of the collections on D1. */
export interface CollectionsSetup {
  db: D1Database;
  /** Holds the texts of large manifests. */
  manifests: R2Bucket;
  clusterId: string;
  defaultStorageClasses: string[];
  /** How long a trashed collection can be untrashed. */
  trashLifetimeSeconds: number;
  versions: VersionSettings;
  /** Unix milliseconds. */
  now: () => number;
}

export interface Change {
  attributes: Row;
  /** Null: the text does not change (a new collection is empty). */
  manifest: StagedManifest | null;
  ensureUniqueName?: boolean;
  /** Commit only if the collection is still at this revision. */
  revision?: number;
  /** The past version that the change brings back: the state before is kept, and files get the metadata they had. */
  restores?: string;
}

export interface GetOptions {
  includeTrash?: boolean;
  /** Also read a text that is in the row: up to 1 MB. */
  withText?: boolean;
  /** Attributes of the record, if not all are needed: a description may be long. `uuid` and `current_version_uuid` are always. */
  select?: readonly string[];
}

export type Collections = ReturnType<typeof createCollections>;

/** Attempts of a reader whose text was replaced after its row was read. */
const READ_ATTEMPTS = 4;
/** Batches of 500 that one cron run deletes: each collection costs a request to its Durable Object as well. */
const SWEEP_STATEMENTS = 2;
const WHOLE: GetOptions = { includeTrash: true, withText: true };

/** Collections on D1. A user sees and changes what they own, directly or through projects and uploader accounts. */
export function createCollections(setup: CollectionsSetup) {
  const { db, manifests, now } = setup;

  async function find(
    id: string,
    user: User,
    { includeTrash = false, withText = false, select }: GetOptions = {},
  ): Promise<Collection> {
    const byUuid = isUuid(id, INFIX.collection);
    const pdh = /^([0-9a-f]{32}\+\d+)/.exec(id)?.[1];
    if (!byUuid && pdh === undefined) throw notFound();
    // One row: its level is looked at once, afterwards.
    const readable = byUuid ? [] : readableRow('collections', user);
    const conditions = [...readable, ...(includeTrash ? [] : [notTrashed('collections')])];
    const where = [byUuid ? 'uuid = ?' : 'portable_data_hash = ?', ...conditions.map(({ sql }) => `(${sql})`)];
    const trashedLast = includeTrash && !byUuid ? 'trash_at IS NOT NULL, ' : '';
    const row = await db
      .prepare(
        `SELECT ${columnsToRead(withText, COLLECTIONS, select)}, ${levelFor('collections', user)} AS permission_level,
           EXISTS (SELECT 1 FROM file_metadata WHERE collection_uuid = collections.uuid) AS has_metadata
         FROM collections WHERE ${where.join(' AND ')} ORDER BY ${trashedLast}modified_at DESC LIMIT 1`,
      )
      .bind(byUuid ? id : (pdh ?? ''))
      .first<Row>();
    const found = row ?? (await findVersion(byUuid ? { uuid: id } : { pdh: pdh ?? '' }, user, includeTrash, withText));
    if (found === null || !canRead(toLevel(found.permission_level))) throw notFound();
    return toCollection(found);
  }

  /** A past version, for what is no state of now. */
  async function findVersion(
    id: { uuid: string } | { pdh: string },
    user: User,
    includeTrash: boolean,
    withText: boolean,
  ): Promise<Row | null> {
    const level = stateLevelSql(user);
    const [column, value] = 'uuid' in id ? ['uuid', id.uuid] : ['portable_data_hash', id.pdh];
    return db
      .prepare(
        `WITH ${STATES_CTE} SELECT ${columnsToRead(withText, COLLECTION_STATES)}, ${level} AS permission_level FROM states
         WHERE ${column} = ? AND ${level} >= ${LEVEL.read} ${includeTrash ? '' : `AND ${stateNotTrashed().sql}`} LIMIT 1`,
      )
      .bind(value)
      .first<Row>();
  }

  /** Those of these collections and past versions that the user may read, with the texts that are in their rows. One query. */
  async function findMany(uuids: string[], user: User): Promise<Map<string, Collection>> {
    const level = stateLevelSql(user);
    const { results } = await db
      .prepare(
        `WITH ${STATES_CTE} SELECT ${columnsToRead(true, COLLECTION_STATES)}, ${level} AS permission_level FROM states
         WHERE uuid IN (SELECT value FROM json_each(?)) AND ${level} >= ${LEVEL.read}`,
      )
      .bind(JSON.stringify(uuids))
      .all<Row>();
    return new Map(results.map((row) => [String(row.uuid), toCollection(row)]));
  }

  /**
   * Changes name a collection by UUID: many may share a portable data hash.
   * @throws KeepError not_found; forbidden when the user may only read it; invalid_record for a past version
   */
  async function findToChange(uuid: string, user: User, options?: GetOptions): Promise<Collection> {
    if (!isUuid(uuid, INFIX.collection)) throw notFound();
    const found = await find(uuid, user, options);
    if (found.isPast) throw pastVersion();
    requireAtLeast(found.level, 'write');
    return found;
  }

  /** Deletes the manifest of a refused change. After any other failure the row may refer to it, so it is kept. */
  async function owningManifest<T>({ manifest }: Change, commit: () => Promise<T>): Promise<T> {
    try {
      return await commit();
    } catch (error) {
      if (isKeepError(error) && manifest !== null) await deleteManifest(manifests, manifest.stored);
      throw error;
    }
  }

  /** The columns that a change writes. */
  async function columnsOf({ attributes, manifest }: Change, user: User, before?: Collection): Promise<Row> {
    const a = checkAttributes(CollectionAttributes, attributes);
    const owner = before === undefined ? user.uuid : String(before.record.owner_uuid);
    if (a.owner_uuid) await requireOwnerWritable(db, owner, a.owner_uuid, user);
    const stated = a.portable_data_hash?.slice(0, 32);
    if (stated && manifest !== null && stated !== manifest.portableDataHash.slice(0, 32)) {
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
    findMany,
    findToChange,
    /** The columns that attributes set. @throws KeepError invalid_record, forbidden */
    attributeColumns: async (uuid: string, attributes: Row, user: User) =>
      columnsOf({ attributes, manifest: null }, user, await findToChange(uuid, user)),

    /** Checks and stores a manifest. Hand it to create or update, or discard it. */
    stage: (chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>, check: LocatorCheck) =>
      stageManifest(manifests, chunks, check),
    /** Stages what edits make of an empty collection. @throws KeepError bad_request, not_found */
    async stageEdits(edits: Edit[], segments: SegmentReplacement[], user: User): Promise<StagedManifest> {
      const texts = createTexts({ db, manifests }, null);
      const request = { writer: { user, tokenUuid: null, token: '' }, edits, conditions: [], lockTokens: [] };
      const { judged, text } = await planEdits(texts, [request]);
      const [outcome] = judged;
      if (outcome?.ok === false) throw outcome.error;
      const staged =
        text === null ? await stageManifest(manifests, [], null) : await stageNormalised(manifests, text());
      return (await stageSegments(manifests, staged, texts.current, segments)) ?? staged;
    },
    /** The text of a staged manifest. */
    staged: (staged: StagedManifest) => readManifest(manifests, staged.stored),
    discard: (staged: StagedManifest) => deleteManifest(manifests, staged.stored),

    /** Owns the change's manifest, also when it throws. @throws KeepError invalid_record, forbidden, full */
    async create(change: Change, user: User): Promise<Collection> {
      const uuid = createUuid(setup.clusterId, INFIX.collection);
      await owningManifest(change, async () => {
        const row: Row = {
          uuid,
          owner_uuid: user.uuid,
          storage_classes_desired: JSON.stringify(setup.defaultStorageClasses),
          ...manifestColumns(change.manifest ?? (await stageManifest(manifests, [], null))),
          created_at: formatTime(now()),
          ...(await columnsOf(change, user)),
        };
        const growth = await requireRoom(db, String(row.owner_uuid), Number(row.file_size_total));
        await insertNamed(db, 'collections', row, change.ensureUniqueName === true, async (inserted) => {
          const backup = await writeBackup(manifests, { revision: 1, ...inserted }, formatTime(now()));
          return () => manifests.delete(backup);
        });
        if (growth.length > 0) await db.batch(growth);
      });
      return find(uuid, user, WHOLE);
    },

    /**
     * Owns the change's manifest, also when it throws.
     * @throws KeepError not_found, invalid_record, forbidden; precondition_failed after a change by another writer
     */
    async update(uuid: string, change: Change, user: User): Promise<Collection> {
      await owningManifest(change, async () => {
        const found = await findToChange(uuid, user);
        const revision = change.revision ?? found.revision;
        const columns = await columnsOf(change, user, found);
        const { restores } = change;
        const alongside: Alongside =
          restores === undefined
            ? {}
            : { keep: 'kept', statements: restoreMetadataStatements(db, uuid, revision + 1, restores) };
        if (await changeRow(setup, uuid, revision, columns, alongside)) return;
        throw changedByOther();
      });
      return find(uuid, user, WHOLE);
    },

    /** Trashes a collection; it can be untrashed for the trash lifetime. */
    async trash(uuid: string, user: User, portableDataHash?: string): Promise<Collection> {
      const { record, revision } = await findToChange(uuid, user, { includeTrash: true });
      if (portableDataHash !== undefined && record.portable_data_hash !== portableDataHash) throw changedByOther();
      if (record.is_trashed !== true) {
        const columns = {
          ...trashTimes(formatTime(now()), null, now(), setup.trashLifetimeSeconds),
          modified_at: formatTime(now()),
          modified_by_user_uuid: user.uuid,
        };
        if (!(await changeRow(setup, uuid, revision, columns))) throw changedByOther();
      }
      return find(uuid, user, WHOLE);
    },

    /** @throws KeepError invalid_record when it is not trashed or its name is taken */
    async untrash(uuid: string, user: User, ensureUniqueName: boolean): Promise<Collection> {
      const { record, revision } = await findToChange(uuid, user, { includeTrash: true });
      if (record.trash_at === null)
        throw new KeepError('invalid_record', { message: 'the collection is not in the trash' });
      const row: Row = {
        trash_at: null,
        delete_at: null,
        modified_at: formatTime(now()),
        modified_by_user_uuid: user.uuid,
      };
      const change = async (columns: Row) => {
        if (!(await changeRow(setup, uuid, revision, columns))) throw changedByOther();
      };
      try {
        await change(row);
      } catch (error) {
        if (!ensureUniqueName || !isKeepError(error, 'invalid_record')) throw error;
        await change({ ...row, name: uniqueName(String(record.name), uuid) });
      }
      return find(uuid, user, WHOLE);
    },

    /**
     * The text without signatures, which breaks off unless it has the record's portable data hash, and the record that it belongs to, which is newer if the text was replaced meanwhile.
     * @throws KeepError not_found when the collection was deleted meanwhile
     */
    async read(known: Collection, user: User): Promise<{ collection: Collection; text: ReadableStream<Uint8Array> }> {
      let collection = known;
      for (let attempt = 0; attempt < READ_ATTEMPTS; attempt++) {
        const text = collection.stored === null ? null : await readManifest(manifests, collection.stored);
        if (text !== null) {
          const hash = String(collection.record.portable_data_hash);
          return { collection, text: checkedManifest(text, hash, collection.manifestBytes) };
        }
        collection = await find(String(known.record.uuid), user, WHOLE);
      }
      throw new KeepError('internal', {
        cause: new Error(`the manifest of ${known.record.uuid} is not in the bucket`),
      });
    },

    /**
     * Deletes collections whose delete_at has passed, up to a thousand, with their past versions.
     * @returns their UUIDs: what backups still hold is for their Durable Objects to delete
     */
    async sweep(): Promise<string[]> {
      const due = { sql: `delete_at <= ? AND ${isStoredTime('delete_at')}`, values: [formatTime(now())] };
      const deleted: string[] = [];
      const versions = { sql: `SELECT uuid FROM collections WHERE ${due.sql}`, values: due.values };
      if (!(await deleteVersionsOf(db, versions))) return deleted;
      await deleteRows(db, 'collections', due, {
        returning: 'uuid, manifest_key',
        statements: SWEEP_STATEMENTS,
        onBatch: async (rows) => {
          const uuids = rows.map(({ uuid }) => String(uuid));
          deleted.push(...uuids);
          await deleteMetadata(db, uuids);
          for (const { uuid, manifest_key } of rows) {
            // A backup names the text for as long as the collection can be restored; old collections have none.
            if (typeof manifest_key === 'string' && !(await hasBackup(manifests, String(uuid))))
              await manifests.delete(manifest_key);
          }
        },
      });
      return deleted;
    },
  };
}

/**
 * The text of a collection that was found by its portable data hash, and of no other.
 * @throws KeepError unavailable when it was changed meanwhile
 */
export async function textOf(
  collections: Collections,
  found: Collection,
  user: User,
): Promise<ReadableStream<Uint8Array>> {
  const { collection, text } = await collections.read(found, user);
  if (collection.record.portable_data_hash === found.record.portable_data_hash) return text;
  await text.cancel();
  throw changedMeanwhile();
}

export function changedMeanwhile(): KeepError {
  return new KeepError('unavailable', { message: 'the collection was changed while it was read: try again' });
}

function pastVersion(): KeepError {
  return new KeepError('invalid_record', {
    message: 'a past version of a collection cannot be changed: change the current one, or restore the version',
  });
}

function changedByOther(): KeepError {
  return new KeepError('precondition_failed', {
    message: 'another writer changed the collection at the same time: try again',
  });
}

function notFound(): KeepError {
  return new KeepError('not_found', { message: 'Path not found' });
}
