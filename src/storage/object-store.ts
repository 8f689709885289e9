/**
 * The interface of a bucket, implemented for R2 and S3 (r2-object-store.ts, s3-object-store.ts).
 * Keys are strings, sizes are bytes, times are Unix milliseconds. A missing key is `null`, never an exception;
 * a store that cannot answer throws.
 */
export interface ObjectStore {
  /** Body and metadata of one object, or of one byte range of it; null when there is none. Cancel or drain `body`. */
  get(key: string, options?: GetOptions): Promise<StoredObject | null>;
  head(key: string, signal?: AbortSignal): Promise<ObjectInfo | null>;
  /**
   * Stores exactly `size` bytes under `key`, replacing what is there. A stream must be one whose length the runtime
   * knows: a request's or response's with Content-Length, or a FixedLengthStream's.
   * @returns null only with `ifAbsent`: something else is under the key; a stream may be used up
   * @throws KeepError `body_mismatch` when `md5` is given and the store computed another: nothing is stored then.
   */
  put(key: string, body: ReadableStream<Uint8Array> | Uint8Array, options: PutOptions): Promise<ObjectInfo | null>;
  /** Copies within the bucket; resolves once the copy is complete and durable. Null when the source is missing. */
  copy(from: string, to: string): Promise<ObjectInfo | null>;
  /** Deletes up to 1,000 keys; a key that is not there is no error. */
  delete(keys: string[]): Promise<void>;
  /** One page of keys in ascending byte order. `next` goes into the following call as `cursor`; null at the end. A page may be short or empty and not the last. */
  list(options: ListOptions): Promise<ListPage>;
}

export interface ObjectInfo {
  key: string;
  size: number;
  /** Hex MD5 that the store itself vouches for, null when it cannot (written in parts). */
  md5: string | null;
  /** Unix milliseconds; some stores only know seconds. */
  modified: number;
}

export interface StoredObject extends ObjectInfo {
  body: ReadableStream<Uint8Array>;
}

export interface GetOptions {
  /** Inside the object: `offset + length <= size`. */
  range?: { offset: number; length: number };
  signal?: AbortSignal | undefined;
}

export interface PutOptions {
  size: number;
  /** Lowercase hex. */
  md5?: string;
  /** Store only if nothing is under the key. A store that cannot promise this compares what it has afterwards. */
  ifAbsent?: boolean;
  signal?: AbortSignal | undefined;
}

export interface ListOptions {
  prefix: string;
  cursor?: string | null;
  /** Only keys after this one. Used on the first page; a cursor takes over from there. */
  startAfter?: string;
  /** Page size, at most 1,000 (the default). */
  limit?: number;
}

export interface ListPage {
  objects: ObjectInfo[];
  next: string | null;
}
