import type { User } from '../accounts/account.ts';
import { isKeepError, KeepError } from '../keep/errors.ts';
import type { Row } from '../records/columns.ts';
import { deleteRows } from '../records/delete-rows.ts';
import { createUuid, INFIX } from '../records/ids.ts';
import { formatTime, isStoredTime } from '../records/times.ts';
import { insertNamed, uniqueName } from '../records/write-row.ts';
import { CollectionAttributes, checkAttributes, trashTimes } from './attributes.ts';
import { hasBackup, writeBackup } from './backup.ts';
import { type Alongside, changeRow, isRefused } from './change-row.ts';
import { checkedManifest } from './checked-manifest.ts';
import { type Collection, manifestColumns } from './collection-row.ts';
import { planEdits } from './edit/apply.ts';
import type { Edit, SegmentReplacement } from './edit/edits.ts';
import { deleteMetadata } from './edit/metadata-rows.ts';
import { createTexts, stageNormalised, stageSegments } from './edit/texts.ts';
import { type Changer, createFinder, type GetOptions } from './find-collections.ts';
import { deleteManifest, readManifest } from './manifest-store.ts';
import { requireOwnerWritable } from './permission.ts';
import { growthStatements, quotasOf, requireRoom } from './quota.ts';
import { type LocatorCheck, type StagedManifest, stageManifest } from './stage-manifest.ts';
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
  /** The past version that the change brings back: the state before is kept, and files get the metadata they had. */
  restores?: string;
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

  const { find, findMany, findToChange, openToChange } = createFinder(db, now);

  /** Deletes the manifest of a refused change. After any other failure the row may refer to it, so it is kept. */
  async function owningManifest<T>({ manifest }: Change, commit: () => Promise<T>): Promise<T> {
    try {
      return await commit();
    } catch (error) {
      if (isRefused(error) && manifest !== null) await deleteManifest(manifests, manifest.stored);
      throw error;
    }
  }

  /** The columns that a change writes. @param owner of what changes; of what is new the user */
  async function columnsOf({ attributes, manifest }: Change, user: User, owner: unknown = user.uuid): Promise<Row> {
    const a = checkAttributes(CollectionAttributes, attributes);
    if (a.owner_uuid) await requireOwnerWritable(db, String(owner), a.owner_uuid, user);
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
    /** The columns that attributes set, of a row that the user may write to. @throws KeepError invalid_record, forbidden */
    attributeColumns: (before: Row, attributes: Row, user: User) =>
      columnsOf({ attributes, manifest: null }, user, before.owner_uuid),

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
        const bytes = Number(row.file_size_total);
        const quotas = bytes > 0 ? await quotasOf(db, String(row.owner_uuid)) : [];
        requireRoom(quotas, bytes);
        await insertNamed(db, 'collections', row, change.ensureUniqueName === true, async (inserted) => {
          const backup = await writeBackup(manifests, { revision: 1, ...inserted }, formatTime(now()));
          return () => manifests.delete(backup);
        });
        if (quotas.length > 0) await db.batch(growthStatements(db, quotas, bytes, uuid, 1));
      });
      return find(uuid, user, WHOLE);
    },

    /**
     * Owns the change's manifest, also when it throws.
     * @throws KeepError not_found, invalid_record, forbidden; precondition_failed after a change by another writer
     */
    async update(uuid: string, change: Change, by: Changer): Promise<void> {
      await owningManifest(change, async () => {
        const { found, before, quotas } = await openToChange(uuid, by, { mayGrow: change.manifest !== null });
        const columns = await columnsOf(change, by.user, before.owner_uuid);
        const { restores } = change;
        const restoring: Alongside =
          restores === undefined
            ? {}
            : { keep: 'kept', statements: restoreMetadataStatements(db, uuid, found.revision, restores) };
        if (!(await changeRow(setup, before, columns, { ...restoring, quotas }))) throw changedByOther();
      });
    },

    /** Trashes a collection; it can be untrashed for the trash lifetime. */
    async trash(uuid: string, by: Changer, portableDataHash?: string): Promise<void> {
      const { found, before } = await openToChange(uuid, by, { includeTrash: true });
      if (portableDataHash !== undefined && before.portable_data_hash !== portableDataHash) throw changedByOther();
      if (found.record.is_trashed === true) return;
      const columns = {
        ...trashTimes(formatTime(now()), null, now(), setup.trashLifetimeSeconds),
        modified_at: formatTime(now()),
        modified_by_user_uuid: by.user.uuid,
      };
      if (!(await changeRow(setup, before, columns))) throw changedByOther();
    },

    /** @throws KeepError invalid_record when it is not trashed or its name is taken */
    async untrash(uuid: string, by: Changer, ensureUniqueName: boolean): Promise<void> {
      const { found, before } = await openToChange(uuid, by, { includeTrash: true });
      const { record } = found;
      if (record.trash_at === null)
        throw new KeepError('invalid_record', { message: 'the collection is not in the trash' });
      const row: Row = {
        trash_at: null,
        delete_at: null,
        modified_at: formatTime(now()),
        modified_by_user_uuid: by.user.uuid,
      };
      const change = async (columns: Row) => {
        if (!(await changeRow(setup, before, columns))) throw changedByOther();
      };
      try {
        await change(row);
      } catch (error) {
        if (!ensureUniqueName || !isKeepError(error, 'invalid_record')) throw error;
        await change({ ...row, name: uniqueName(String(record.name), uuid) });
      }
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

function changedByOther(): KeepError {
  return new KeepError('precondition_failed', {
    message: 'another writer changed the collection at the same time: try again',
  });
}
