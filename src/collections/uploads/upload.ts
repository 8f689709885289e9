import type { Condition, FileMetadata, Writer } from '../edit/edits.ts';

/** Parts that one upload may have, as in S3. */
export const MAX_PARTS = 10_000;
/** Ranges of blocks that one part may consist of: a copied one may have many. They are one row of its collection's object. */
export const MAX_PART_RANGES = 10_000;
/** How long an upload may take; and how long its outcome is known, for clients that did not get the answer. */
export const UPLOAD_LIFETIME_SECONDS = 7 * 24 * 3600;

/** A checksum of S3 that an upload's parts have: the end of `x-amz-checksum-…`. */
export interface UploadChecksum {
  name: 'crc32' | 'crc32c' | 'crc64nvme' | 'sha1' | 'sha256';
  type: 'COMPOSITE' | 'FULL_OBJECT';
}

export interface UploadFacts {
  metadata: FileMetadata;
  /** Null: none was asked for. */
  checksum: UploadChecksum | null;
}

export interface Upload extends UploadFacts {
  id: string;
  collectionUuid: string;
  path: string;
  userUuid: string;
  /** RFC 3339. */
  createdAt: string;
}

/** What an upload came to. */
export interface CompletedUpload {
  /** With quotes. */
  etag: string;
  size: number;
  /** Base64, with `-N` behind it when it is composite; null where none was asked for. */
  checksum: (UploadChecksum & { value: string }) | null;
}

/** An upload that is open, or what it came to, and of which parts. */
export interface FoundUpload {
  upload: Upload;
  completed: (CompletedUpload & { parts: string }) | null;
}

/** Which uploads there are. */
export interface UploadRegistry {
  /** @throws KeepError slow_down where too many are open */
  insert(upload: Omit<Upload, 'createdAt'>): Promise<void>;
  find(uuid: string, id: string): Promise<FoundUpload | null>;
  /** Open ones by path, then id. */
  list(uuid: string, after: { path: string; id: string; limit: number }): Promise<Upload[]>;
  /** @returns whether it was there and open */
  delete(uuid: string, id: string): Promise<boolean>;
}

export interface CompleteRequest {
  id: string;
  path: string;
  /** Ascending; `checksum` where the client names it. */
  parts: { number: number; etag: string; checksum: string | null }[];
  writer: Writer;
  conditions: Condition[];
  /** What the whole must have, where the client says so: base64. */
  checksum: { name: string; value: string } | null;
  size: number | null;
}
