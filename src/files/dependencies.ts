import type { FileTrees } from '../collections/file-trees.ts';
import type { CollectionSource } from '../collections/source.ts';
import type { Caller } from '../services/federation.ts';
import type { ByteRange } from '../streams/byte-range.ts';
import type { Pipeable } from '../streams/part.ts';

/** What an operator can set about files, however they are asked for. Times are seconds. */
export interface FileSettings {
  clusterId: string;
  /** WEBDAV_CACHE_TTL: how long the answer to "may this token read that collection" is cached, for portable data hashes. */
  openTtlSeconds: number;
  /** READ_STALENESS: how long a collection named by its UUID may be served as it was; 0 looks at each request. */
  readStalenessSeconds: number;
  /** WEBDAV_LOG_EVENTS: whether downloads are written to the cluster's log. */
  logEvents: boolean;
  /** WEBDAV_LOG_DOWNLOAD_INTERVAL: ranges of one file within this time count as one download. */
  logIntervalSeconds: number;
  /** FORWARD_SLASH_NAME_SUBSTITUTION: stands for slashes in names of projects and collections; '' hides those. */
  slashSubstitution: string;
  /** WEBDAV_PERMISSION: whether users, and admins, may download the content of files. */
  mayDownload: { user: boolean; admin: boolean };
}

/** A block as a file tree knows it. */
export interface WantedBlock {
  hash: string;
  /** Bytes of the whole block. */
  size: number;
  /** Hints behind hash and size, `` or `+Rzzzzz-...`. */
  hints: string;
  /** Its number in the tree. */
  number: number;
}

/** Who downloads. */
export interface Downloader {
  uuid: string;
  fullName: string;
  isAdmin: boolean;
  /** The token is good for some requests only, as those of sharing links are. */
  isScoped: boolean;
}

/** One upload or download, as the cluster's log keeps it (docs/protocol/files.md#download-log). */
export interface DownloadEvent {
  event_type: 'file_download' | 'file_upload';
  object_uuid: string;
  properties: Record<string, string | number>;
}

/** What every surface uses that shows files of collections. */
export interface FileDependencies {
  downloads: FileSettings;
  collections: CollectionSource;
  trees: FileTrees;
  /**
   * A range of a block, verified or vouched for. The caller's token has been proved to open a collection that
   * the block is in.
   * @throws KeepError not_found, corrupt, unavailable, bad_gateway; too_many_requests as requireEgress
   */
  openBlock(block: WantedBlock, range: ByteRange, caller: Caller): Promise<Pipeable>;
  /**
   * For answers that begin with something else than a block: what openBlock would refuse later breaks them off.
   * @throws KeepError too_many_requests when no more may go out today to readers without an account, and the token is theirs
   */
  requireEgress(token: string): Promise<void>;
  /** False when the token has been revoked or its user deactivated. True when that cannot be found out now. */
  isAccepted(token: string): Promise<boolean>;
  /** As in OpenerDependencies: how many changes of a collection were made through this service. */
  changesOf?: ((uuid: string) => Promise<number>) | undefined;
  /** Whose token it is; null when its scopes do not tell. */
  downloader(token: string): Promise<Downloader | null>;
  /** Writes to the log, a little later and along with others: nothing waits for it. Failures are counted. */
  recordDownload(event: DownloadEvent, token: string, waitUntil: (work: Promise<unknown>) => void): void;
}
