/** A bucket that holds people's own objects. This service only reads it. */
export interface GatewayBucket {
  /** One page of objects in ascending byte order of their keys; `next` is the following call's cursor, null at the end. */
  list(prefix: string, cursor: string | null): Promise<{ objects: ListedObject[]; next: string | null }>;
  /** Why objects with this key can never be read; null when they can. */
  obstacle(key: string): string | null;
  /** Null: there is no such object. */
  stat(key: string, signal?: AbortSignal): Promise<ObjectFacts | null>;
  /**
   * A range of an object, if it still has this ETag. The bytes are moved natively.
   * @throws KeepError unavailable when the bucket cannot be read; client_gone
   */
  open(key: string, range: ObjectRange, signal?: AbortSignal): Promise<Opened>;
}

export interface ListedObject {
  key: string;
  /** Bytes. */
  size: number;
  /** Without quotes. */
  etag: string;
}

export interface ObjectFacts {
  size: number;
  etag: string;
  /** Hex MD5 of the content, where the store vouches for it. */
  md5: string | null;
}

export interface ObjectRange {
  etag: string;
  offset: number;
  length: number;
  /** Bytes of the whole object. */
  size: number;
}

export type Opened =
  | { state: 'open'; body: ReadableStream<Uint8Array> }
  /** Another object is under the key. */
  | { state: 'changed' }
  | { state: 'gone' }
  /** The bucket refuses to hand out this object: the status, and its reason. */
  | { state: 'refused'; reason: string };
