import { KeepError } from '../keep/errors.ts';
import type { ListPage, ObjectInfo, ObjectStore, StoredObject } from './object-store.ts';

const OCTET_STREAM = { httpMetadata: { contentType: 'application/octet-stream' } };
const IF_ABSENT = { etagDoesNotMatch: '*' };
/** R2's error code for a checksum that does not match the body. */
const R2_BAD_DIGEST = '10037';
const MAX_KEYS_PER_DELETE = 1000;

/** ObjectStore over an R2 binding. Sizes and MD5s are R2's own; times are exact to the millisecond. */
export function createR2ObjectStore(bucket: R2Bucket): ObjectStore {
  return {
    async get(key, { range, signal } = {}): Promise<StoredObject | null> {
      const object = await (range === undefined ? bucket.get(key) : bucket.get(key, { range }));
      if (object === null) return null;
      if (signal?.aborted) {
        await object.body.cancel();
        throw new KeepError('client_gone');
      }
      return { ...infoOf(object), body: object.body };
    },

    async head(key) {
      const object = await bucket.head(key);
      return object === null ? null : infoOf(object);
    },

    async put(key, body, { md5, ifAbsent }) {
      const checked = { ...OCTET_STREAM, ...(md5 === undefined ? {} : { md5 }) };
      // With a condition that does not hold, the binding answers null.
      const put = ifAbsent ? bucket.put(key, body, { ...checked, onlyIf: IF_ABSENT }) : bucket.put(key, body, checked);
      const stored = await digestChecked<R2Object | null>(put);
      return stored === null ? null : infoOf(stored);
    },

    async copy(from, to) {
      // The binding has no server-side copy: the bytes go through the runtime, natively.
      const source = await bucket.get(from);
      if (source === null) return null;
      const md5 = source.checksums.toJSON().md5;
      return this.put(to, source.body, { size: source.size, ...(md5 === undefined ? {} : { md5 }) });
    },

    async delete(keys) {
      for (let i = 0; i < keys.length; i += MAX_KEYS_PER_DELETE)
        await bucket.delete(keys.slice(i, i + MAX_KEYS_PER_DELETE));
    },

    async list({ prefix, cursor, startAfter, limit = 1000 }): Promise<ListPage> {
      const page = await bucket.list({
        prefix,
        limit,
        ...(cursor ? { cursor } : startAfter === undefined ? {} : { startAfter }),
      });
      return { objects: page.objects.map(infoOf), next: page.truncated ? page.cursor : null };
    },
  };
}

function infoOf(object: R2Object): ObjectInfo {
  return {
    key: object.key,
    size: object.size,
    md5: object.checksums.toJSON().md5 ?? null,
    modified: object.uploaded.getTime(),
  };
}

async function digestChecked<Stored>(put: Promise<Stored>): Promise<Stored> {
  try {
    return await put;
  } catch (error) {
    if (error instanceof Error && error.message.includes(`(${R2_BAD_DIGEST})`))
      throw new KeepError('body_mismatch', { cause: error });
    throw error;
  }
}
