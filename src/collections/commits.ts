import { type ErrorCode, isKeepError, KeepError } from '../keep/errors.ts';
import { currentRequestId } from '../keep/request-id.ts';
import type { Row } from '../records/columns.ts';
import type { EditOutcome } from './edit/commit-batch.ts';
import type { Edited, EditRequest, Writer } from './edit/edits.ts';
import type { Lock, LockRequest } from './edit/locks.ts';
import type { StagedManifest } from './stage-manifest.ts';
import type { StoredPart, UploadPart } from './uploads/part-rows.ts';
import type { CompletedUpload, CompleteRequest, FoundUpload, Upload, UploadRegistry } from './uploads/upload.ts';

/** A change of a collection as a whole: attributes, its text, or the trash. */
export interface WholeChange {
  writer: Writer;
  action: 'update' | 'trash' | 'untrash';
  attributes: Row;
  /** Null: the text does not change. */
  manifest: StagedManifest | null;
  ensureUniqueName: boolean;
  /** For the trash: only while the collection has this content. */
  portableDataHash?: string;
  /** The past version that an update brings back. */
  restores?: string;
}

export interface RefreshRequest {
  path: string;
  tokens: string[];
  seconds: number;
  writer: Writer;
}

export interface UnlockRequest {
  path: string;
  token: string;
  writer: Writer;
}

/** A result, or a refusal as data: errors lose their classes on their way from a Durable Object. */
export type Told<Result> = ({ ok: true } & Result) | { ok: false; code: ErrorCode; message: string };

export async function told<Result extends object>(work: () => Promise<Result>): Promise<Told<Result>> {
  try {
    return { ok: true, ...(await work()) };
  } catch (error) {
    if (isKeepError(error)) return { ok: false, code: error.code, message: error.message };
    throw error;
  }
}

export type ChangeOutcome = { ok: true } | { ok: false; code: ErrorCode; message: string };

/** The Durable Object of one collection, called from elsewhere. */
export interface CollectionHandle {
  edit(uuid: string, request: EditRequest): Promise<EditOutcome>;
  change(uuid: string, change: WholeChange): Promise<ChangeOutcome>;
  lock(uuid: string, request: LockRequest): Promise<Told<{ lock: Lock; created: boolean }>>;
  refreshLock(uuid: string, request: RefreshRequest): Promise<Told<{ lock: Lock }>>;
  unlock(uuid: string, request: UnlockRequest): Promise<Told<object>>;
  locks(): Promise<Lock[]>;
  changes(): Promise<number>;
  changed(uuid: string): Promise<void>;
  erase(uuid: string): Promise<boolean>;
  insertUpload(upload: Omit<Upload, 'createdAt'>): Promise<Told<object>>;
  findUpload(uuid: string, id: string): Promise<FoundUpload | null>;
  listUploads(uuid: string, after: { path: string; id: string; limit: number }): Promise<Upload[]>;
  deleteUpload(id: string): Promise<boolean>;
  addPart(upload: string, part: StoredPart): Promise<void>;
  parts(upload: string, after: number, limit: number): Promise<UploadPart[]>;
  storedParts(upload: string, after: number, limit: number): Promise<StoredPart[]>;
  completeUpload(uuid: string, request: CompleteRequest): Promise<Told<CompletedUpload>>;
  dropParts(uuid: string, uploads: string[]): Promise<void>;
  /** Deletes backups that are no longer needed, now and at later times. */
  sweepBackups(uuid: string): Promise<void>;
}

/** For a change that would pass by a lock. */
export function lockedByClient({ path, expiresAt }: Lock): KeepError {
  return new KeepError('locked', {
    message: `/${path} is locked by a WebDAV client until ${new Date(expiresAt).toISOString()}: its user, or who may manage the collection, can UNLOCK it`,
  });
}

/** The one way to change what a collection holds: changes go through its Durable Object in turn. */
export interface Commits {
  /**
   * Puts, deletes, moves and copies files.
   * @throws KeepError what a condition says; not_found, forbidden, unauthorized when the writer may not (any more); bad_request; locked
   */
  edit(uuid: string, request: EditRequest): Promise<Edited>;
  /** @throws KeepError not_found, forbidden, invalid_record, locked */
  change(uuid: string, change: WholeChange): Promise<void>;
  /**
   * Locks a path for WebDAV; where nothing is there, an empty file is made.
   * @throws KeepError locked, conflict, precondition_failed, not_found, forbidden, full
   */
  lock(uuid: string, request: LockRequest): Promise<{ lock: Lock; created: boolean }>;
  /** @throws KeepError precondition_failed */
  refreshLock(uuid: string, request: RefreshRequest): Promise<Lock>;
  /** @throws KeepError conflict, forbidden */
  unlock(uuid: string, request: UnlockRequest): Promise<void>;
  locks(uuid: string): Promise<Lock[]>;
  /** Counts up with every change made through here; only beside a cluster. */
  changes(uuid: string): Promise<number>;
  /** A change was made past the object. */
  changed(uuid: string): Promise<void>;
  /** Removes a collection at once and for ever, with its backups. @returns whether there was anything */
  erase(uuid: string): Promise<boolean>;
  /** Which uploads there are, where only the Durable Objects of collections say so: beside a cluster. */
  uploads: UploadRegistry;
  /** Keeps a part of an upload, in place of one with the same number. */
  addPart(uuid: string, upload: string, part: StoredPart): Promise<void>;
  /** Parts whose numbers are above `after`, in their order. */
  parts(uuid: string, upload: string, after: number, limit: number): Promise<UploadPart[]>;
  /** The same with the blocks that they consist of. */
  storedParts(uuid: string, upload: string, after: number, limit: number): Promise<StoredPart[]>;
  /** @throws KeepError not_found, invalid_list, body_mismatch, too_large; what a condition says; forbidden, unauthorized */
  completeUpload(uuid: string, request: CompleteRequest): Promise<CompletedUpload>;
  dropParts(uuid: string, uploads: string[]): Promise<void>;
  /** For collections that were deleted: their backups end in time. */
  sweepBackups(uuid: string): Promise<void>;
}

function named<Request extends { writer: Writer }>(request: Request): Request {
  return { ...request, writer: { ...request.writer, requestId: currentRequestId() } };
}

/** A stub is good until its first failure: each use gets a new one. */
export function createCommits(namespace: DurableObjectNamespace | undefined): Commits {
  const handleOf = (uuid: string): CollectionHandle => {
    if (namespace === undefined)
      throw new KeepError('not_configured', {
        message: 'collections need the Durable Object COLLECTION: bind it in wrangler.toml',
      });
    return namespace.getByName(uuid) as unknown as CollectionHandle;
  };
  const ask = <Result>(uuid: string, call: (handle: CollectionHandle) => Promise<Result>): Promise<Result> =>
    call(handleOf(uuid)).catch((cause: unknown) => {
      throw new KeepError('unavailable', {
        message: 'the collection does not answer, and may or may not have been changed: look, then try again',
        cause,
      });
    });
  return {
    async edit(uuid, request) {
      const outcome = await ask(uuid, (handle) => handle.edit(uuid, named(request)));
      if (!outcome.ok) throw new KeepError(outcome.code, { message: outcome.message });
      return outcome.edited;
    },
    async change(uuid, change) {
      const outcome = await ask(uuid, (handle) => handle.change(uuid, named(change)));
      if (!outcome.ok) throw new KeepError(outcome.code, { message: outcome.message });
    },
    lock: async (uuid, request) => result(await ask(uuid, (handle) => handle.lock(uuid, request))),
    refreshLock: async (uuid, request) => result(await ask(uuid, (handle) => handle.refreshLock(uuid, request))).lock,
    unlock: async (uuid, request) => void result(await ask(uuid, (handle) => handle.unlock(uuid, request))),
    locks: (uuid) => handleOf(uuid).locks(),
    changes: (uuid) => handleOf(uuid).changes(),
    changed: (uuid) => handleOf(uuid).changed(uuid),
    erase: (uuid) => handleOf(uuid).erase(uuid),
    uploads: {
      insert: async (upload) => void result(await ask(upload.collectionUuid, (handle) => handle.insertUpload(upload))),
      find: (uuid, id) => ask(uuid, (handle) => handle.findUpload(uuid, id)),
      list: (uuid, after) => ask(uuid, (handle) => handle.listUploads(uuid, after)),
      delete: (uuid, id) => ask(uuid, (handle) => handle.deleteUpload(id)),
    },
    addPart: (uuid, upload, part) => ask(uuid, (handle) => handle.addPart(upload, part)),
    parts: (uuid, upload, after, limit) => ask(uuid, (handle) => handle.parts(upload, after, limit)),
    storedParts: (uuid, upload, after, limit) => ask(uuid, (handle) => handle.storedParts(upload, after, limit)),
    async completeUpload(uuid, request) {
      const { etag, size, checksum } = result(await ask(uuid, (handle) => handle.completeUpload(uuid, named(request))));
      return { etag, size, checksum };
    },
    dropParts: (uuid, uploads) => ask(uuid, (handle) => handle.dropParts(uuid, uploads)),
    sweepBackups: (uuid) => handleOf(uuid).sweepBackups(uuid),
  };
}

/** @throws KeepError what the object refused with */
function result<Result>(outcome: Told<Result>): Result {
  if (!outcome.ok) throw new KeepError(outcome.code, { message: outcome.message });
  return outcome;
}
