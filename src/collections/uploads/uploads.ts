import { KeepError } from '../../keep/errors.ts';
import type { Commits } from '../commits.ts';
import type { StoredPart, UploadPart } from './part-rows.ts';
import type { CompletedUpload, CompleteRequest, Upload } from './upload.ts';
import { deleteUpload, findUpload, insertUpload, listUploads } from './upload-rows.ts';

/** Multipart uploads: files that arrive in parts. */
export interface Uploads {
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
  db: D1Database,
  commits: Pick<Commits, 'addPart' | 'parts' | 'completeUpload' | 'dropParts'>,
  now: () => number,
): Uploads {
  const find = async (uuid: string, id: string, path: string): Promise<Upload> => {
    const found = await findUpload(db, uuid, id);
    if (found === null || found.completed !== null || found.upload.path !== path) throw noUpload();
    return found.upload;
  };
  return {
    async create(upload) {
      const id = crypto.randomUUID();
      await insertUpload(db, { id, ...upload }, now());
      return id;
    },
    find,
    list: (uuid, after) => listUploads(db, uuid, after),
    async addPart(uuid, id, path, part) {
      await commits.addPart(uuid, id, part);
      // Parts of an upload that has no row would stay for ever.
      if ((await findUpload(db, uuid, id)) !== null) return void (await find(uuid, id, path));
      await commits.dropParts(uuid, [id]);
      throw noUpload();
    },
    parts: (uuid, id, after, limit) => commits.parts(uuid, id, after, limit),
    complete: (uuid, request) => commits.completeUpload(uuid, request),
    async abort(uuid, id, path) {
      await find(uuid, id, path);
      if (!(await deleteUpload(db, uuid, id))) throw noUpload();
      await commits.dropParts(uuid, [id]);
    },
  };
}

function noUpload(): KeepError {
  return new KeepError('not_found', { message: 'The specified upload does not exist' });
}
