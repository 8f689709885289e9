import { KeepError } from '../../keep/errors.ts';
import type { Commits } from '../commits.ts';
import type { StoredPart, UploadPart } from './part-rows.ts';
import type { CompletedUpload, CompleteRequest, FoundUpload, Upload, UploadRegistry } from './upload.ts';
import { deleteUpload, findUpload, insertUpload, listUploads } from './upload-rows.ts';

/** In our own database. */
export function uploadRows(db: D1Database, now: () => number): UploadRegistry {
  return {
    insert: (upload) => insertUpload(db, upload, now()),
    find: (uuid, id) => findUpload(db, uuid, id),
    list: (uuid, after) => listUploads(db, uuid, after),
    delete: (uuid, id) => deleteUpload(db, uuid, id),
  };
}

/** Multipart uploads: files that arrive in parts. */
export interface Uploads {
  /** Only who began an upload adds to it or ends it: beside a cluster it is not known here who else may write. */
  isOwnersOnly: boolean;
  create(upload: Omit<Upload, 'id' | 'createdAt'>): Promise<string>;
  /** @throws KeepError not_found where the collection has no such upload of that path that is open */
  find(uuid: string, id: string, path: string): Promise<Upload>;
  /** Open ones by path, then id. */
  list(uuid: string, after: { path: string; id: string; limit: number }): Promise<Upload[]>;
  /** @throws KeepError not_found when the upload has ended meanwhile */
  addPart(uuid: string, id: string, path: string, part: StoredPart): Promise<void>;
  parts(uuid: string, id: string, after: number, limit: number): Promise<UploadPart[]>;
  /** May be asked again. @throws KeepError as completeUpload */
  complete(uuid: string, request: CompleteRequest): Promise<CompletedUpload>;
  /** @throws KeepError not_found */
  abort(uuid: string, id: string, path: string): Promise<void>;
}

export function createUploads(
  registry: UploadRegistry,
  commits: Pick<Commits, 'addPart' | 'parts' | 'completeUpload' | 'dropParts'>,
  { isOwnersOnly }: Pick<Uploads, 'isOwnersOnly'>,
): Uploads {
  const find = async (uuid: string, id: string, path: string) => openOf(await registry.find(uuid, id), path);
  return {
    isOwnersOnly,
    async create(upload) {
      const id = crypto.randomUUID();
      await registry.insert({ id, ...upload });
      return id;
    },
    find,
    list: registry.list,
    async addPart(uuid, id, path, part) {
      await commits.addPart(uuid, id, part);
      // Parts of an upload that has no row would stay for ever.
      const found = await registry.find(uuid, id);
      if (found === null) await commits.dropParts(uuid, [id]);
      openOf(found, path);
    },
    parts: (uuid, id, after, limit) => commits.parts(uuid, id, after, limit),
    complete: (uuid, request) => commits.completeUpload(uuid, request),
    async abort(uuid, id, path) {
      await find(uuid, id, path);
      if (!(await registry.delete(uuid, id))) throw noUpload();
      await commits.dropParts(uuid, [id]);
    },
  };
}

/** @throws KeepError not_found for an upload that is not there, is complete, or is of another path */
function openOf(found: FoundUpload | null, path: string): Upload {
  if (found === null || found.completed !== null || found.upload.path !== path) throw noUpload();
  return found.upload;
}

function noUpload(): KeepError {
  return new KeepError('not_found', { message: 'The specified upload does not exist' });
}
