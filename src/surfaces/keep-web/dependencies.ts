import type { Account, User } from '../../accounts/account.ts';
import type { BodyDestination } from '../../blocks/body-blocks.ts';
import type { Commits } from '../../collections/commits.ts';
import type { Writer } from '../../collections/edit/edits.ts';
import type { FileTrees } from '../../collections/file-trees.ts';
import type { CollectionSource } from '../../collections/source.ts';
import type { RequestContext } from '../../http/context.ts';
import type { Caller } from '../../services/federation.ts';
import type { ByteRange } from '../../streams/byte-range.ts';
import type { Pipeable } from '../../streams/part.ts';
import type { OriginSettings } from './origin-policy.ts';

/** What an operator can set about downloads. Times are seconds. */
export interface DownloadSettings extends OriginSettings {
  clusterId: string;
  /** WEBDAV_DOWNLOAD: where people are sent for downloads, without a trailing slash; null when it is not set. */
  downloadUrl: string | null;
  /** WORKBENCH2: where people without a token can get one; null when it is not set. */
  workbenchUrl: string | null;
  /** ANONYMOUS_USER_TOKEN, tried last wherever a collection is named. */
  anonymousToken: string | null;
  /** WEBDAV_CACHE_TTL: how long the answer to "may this token read that collection" is cached, for portable data hashes. */
  openTtlSeconds: number;
  /** READ_STALENESS: how long a collection named by its UUID may be served as it was; 0 looks at each request. */
  readStalenessSeconds: number;
  /** EDGE_CACHE: whether checksums for archives are kept by the Cache API. */
  edgeCache: boolean;
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

/** How many copies a collection's owner wants, and where. */
export interface WritePlace {
  replicas: number;
  storageClasses: string[];
}

/** What the writing methods of WebDAV use. */
export interface Writing {
  /** Null for a token that is unknown, revoked or expired. */
  identify(token: string, signal?: AbortSignal): Promise<Account | null>;
  /**
   * Judges a writer before a body is read; the commit judges once more.
   * @throws KeepError not_found, forbidden
   */
  requireWritable(uuid: string, writer: Writer): Promise<WritePlace>;
  commits: Pick<Commits, 'edit' | 'lock' | 'refreshLock' | 'unlock' | 'locks'>;
  /** Where the blocks of a body go. */
  destination(context: RequestContext, client: { token: string; user: User }, place: WritePlace): BodyDestination;
  /**
   * Properties that clients have set, by path: of the path itself and what is in it, at most MAX_LISTED_PROPERTIES
   * @param depth 0: only its own; 1: also of its members
   */
  propertiesOf(uuid: string, path: string, depth: '0' | '1' | 'infinity'): Promise<Map<string, Record<string, string>>>;
  projects: {
    /** @throws KeepError invalid_record, forbidden, not_found */
    createCollection(project: string, name: string, user: User): Promise<void>;
    changeCollection(uuid: string, attributes: { name: string; owner_uuid?: string }, writer: Writer): Promise<void>;
    trashCollection(uuid: string, writer: Writer): Promise<void>;
  };
  /** WEBDAV_PERMISSION: whether users, and admins, may upload. */
  mayUpload: { user: boolean; admin: boolean };
  /** WEBDAV_LITTER: what becomes of files that file managers leave behind. */
  litter: 'keep' | 'drop' | 'refuse';
}

/** The dependencies of this surface. */
export interface KeepWebDependencies {
  /** Null: nothing can be changed here. */
  writing: Writing | null;
  downloads: DownloadSettings;
  collections: CollectionSource;
  trees: FileTrees;
  /**
   * A range of a block, verified or vouched for. The caller's token has been proved to open a collection that
   * the block is in.
   * @throws KeepError not_found, corrupt, unavailable, bad_gateway
   */
  openBlock(block: WantedBlock, range: ByteRange, caller: Caller): Promise<Pipeable>;
  /** False when the token has been revoked or its user deactivated. True when that cannot be found out now. */
  isAccepted(token: string): Promise<boolean>;
  /** Whose token it is; null when its scopes do not tell. */
  downloader(token: string): Promise<Downloader | null>;
  /** Writes to the log, a little later and along with others: nothing waits for it. Failures are counted. */
  recordDownload(event: DownloadEvent, token: string, waitUntil: (work: Promise<unknown>) => void): void;
}
