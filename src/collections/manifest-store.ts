import { userBodies } from '../streams/body-budgets.ts';

/** Where a manifest's text is stored: in the collection's row, or in the bucket if it is too large for a row. */
export type StoredManifest = { inline: string; key: null } | { inline: null; key: string };

/** The operations used of the bucket that holds large manifests; an R2Bucket has them. */
export interface ManifestBucket {
  put(key: string, value: Uint8Array): Promise<unknown>;
  get(key: string): Promise<{ body: ReadableStream<Uint8Array> } | null>;
  delete(keys: string | string[]): Promise<void>;
  createMultipartUpload(key: string): Promise<PartsUpload>;
}

export interface UploadedPart {
  partNumber: number;
  etag: string;
}

export interface PartsUpload {
  uploadPart(partNumber: number, value: Uint8Array): Promise<UploadedPart>;
  complete(parts: UploadedPart[]): Promise<unknown>;
  abort(): Promise<void>;
}

/** Most manifests are smaller. A database holds 10 GB: larger texts in it would leave room for few collections. */
const MAX_INLINE_BYTES = 65_536;
/** R2 requires a multipart upload's parts to be equal (but the last), and at least 5 MiB. */
const PART_BYTES = 5 * 1024 * 1024;
const KEY_PREFIX = 'manifests/';

/**
 * Stores a manifest's text, holding at most one part in memory, which counts among what the bodies of users share. Always
 * finish it with `end` or `abort`.
 */
export class ManifestWriter {
  readonly #bucket: ManifestBucket;
  readonly #key = `${KEY_PREFIX}${crypto.randomUUID()}`;
  #buffer = new Uint8Array(16 * 1024);
  #length = 0;
  #bytes = 0;
  #upload: PartsUpload | null = null;
  readonly #parts: UploadedPart[] = [];
  readonly #held = userBodies.reserve();

  constructor(bucket: ManifestBucket) {
    this.#bucket = bucket;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** @throws KeepError unavailable while others hold too much */
  async write(chunk: Uint8Array): Promise<void> {
    this.#bytes += chunk.length;
    for (let from = 0; from < chunk.length; ) {
      this.#reserve(Math.min(PART_BYTES, this.#length + chunk.length - from));
      const taken = Math.min(chunk.length - from, PART_BYTES - this.#length);
      this.#buffer.set(chunk.subarray(from, from + taken), this.#length);
      this.#length += taken;
      from += taken;
      if (this.#length === PART_BYTES) await this.#flushPart();
    }
  }

  async end(): Promise<StoredManifest> {
    const stored = await this.#store();
    this.#held.release();
    return stored;
  }

  async #store(): Promise<StoredManifest> {
    const rest = this.#buffer.subarray(0, this.#length);
    if (this.#bytes <= MAX_INLINE_BYTES) return { inline: new TextDecoder().decode(rest), key: null };
    if (this.#upload === null) {
      await this.#bucket.put(this.#key, rest);
    } else {
      if (this.#length > 0) await this.#flushPart();
      await this.#upload.complete(this.#parts);
    }
    return { inline: null, key: this.#key };
  }

  /** Deletes what was stored. */
  async abort(): Promise<void> {
    this.#held.release();
    await this.#upload?.abort();
  }

  async #flushPart(): Promise<void> {
    this.#upload ??= await this.#bucket.createMultipartUpload(this.#key);
    this.#parts.push(await this.#upload.uploadPart(this.#parts.length + 1, this.#buffer.subarray(0, this.#length)));
    this.#length = 0;
  }

  #reserve(needed: number): void {
    if (needed <= this.#buffer.length) return;
    const larger = new Uint8Array(Math.min(PART_BYTES, Math.max(needed, 2 * this.#buffer.length)));
    this.#held.require(larger.length - this.#buffer.length);
    larger.set(this.#buffer.subarray(0, this.#length));
    this.#buffer = larger;
  }
}

/** The text of a stored manifest, unsigned; null when the bucket no longer has it. */
export async function readManifest(
  bucket: ManifestBucket,
  stored: StoredManifest,
): Promise<ReadableStream<Uint8Array> | null> {
  if (stored.key === null) return new Blob([stored.inline]).stream();
  return (await bucket.get(stored.key))?.body ?? null;
}

/** Deletes a manifest's object in the bucket, if it has one. */
export async function deleteManifest(bucket: ManifestBucket, stored: StoredManifest): Promise<void> {
  if (stored.key !== null) await bucket.delete(stored.key);
}
