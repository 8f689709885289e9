import type { User } from '../../accounts/account.ts';
import type { Chunks } from '../../keep/manifest/line-tokens.ts';
import type { Row } from '../../records/columns.ts';
import type { StagedManifest } from '../stage-manifest.ts';

/** Paths are relative to the collection's root, without slashes at either end; '' is the root. */

/** Bytes of one block, as part of a file. */
export interface BlockRange {
  /** `hash+size`, hints allowed; signed for the writer's token only beside a cluster. */
  locator: string;
  offset: number;
  length: number;
}

/** Kept beside the manifest: the portable data hash is that of the content alone. At most 2 KiB as JSON. */
export interface FileMetadata {
  contentType?: string;
  /** `x-amz-meta-*`: lower-case names without the prefix. */
  values?: Record<string, string>;
  /** Other headers that a client wants back, such as `cache-control`: lower-case names. */
  headers?: Record<string, string>;
  /** When S3 put the file there, Unix milliseconds; else it is as old as the collection. */
  modified?: number;
  /** Strong, with quotes; only where it cannot be derived from the content. */
  etag?: string;
  /** S3's, where it is another than `etag`. */
  objectEtag?: string;
  /** A checksum of the content that S3 was sent: the end of `x-amz-checksum-…`, base64, and of what it is. */
  checksum?: { name: string; value: string; type: string };
  /** The derived ETag of the content that the ETags and `checksum` stand for: of other content they say nothing. Set by the commit. */
  of?: string;
  /** WebDAV properties that clients set, of files and directories: `{namespace}name`, and the XML of the value. */
  properties?: Record<string, string>;
}

/** A text that an edit takes files from: of another collection, by its portable data hash, or staged with the request. */
export type TextSource = { portableDataHash: string } | { staged: StagedManifest };

export type Edit =
  /** A file of these ranges takes the place of whatever is at the path. Missing directories are made. */
  | { kind: 'put'; path: string; ranges: BlockRange[]; metadata?: FileMetadata }
  /** A directory with metadata is one that a client made: see `prunes`. */
  | { kind: 'mkdir'; path: string; metadata?: FileMetadata }
  /**
   * A file, or a directory with all it holds. What is not there is no error.
   * `prunes`: only a file, and directories that are empty then and have no metadata, as in S3, where a directory is only a
   * prefix.
   */
  | { kind: 'delete'; path: string; prunes?: boolean }
  /** A directory that a client made becomes one that is there only for what is in it: an empty one goes, as `prunes` says. */
  | { kind: 'unmark'; path: string }
  /** From the state before this request. `shallow`: of a directory only itself. */
  | { kind: 'copy'; from: string; to: string; shallow?: boolean }
  | { kind: 'move'; from: string; to: string }
  /** Copies from another text. A source that is not there is refused unless it is the root. */
  | { kind: 'graft'; source: TextSource; from: string; to: string }
  /** Sets properties of what is at the path; null removes one. The content stays as it is. */
  | { kind: 'properties'; path: string; set: Record<string, string | null> };

export type NodeKind = 'absent' | 'file' | 'directory';

/** Where bytes of a block are to be read instead. */
export interface NewPlace {
  /** `hash+size`, without a signature. */
  locator: string;
  offset: number;
}

/** One entry of the API's `replace_segments`. */
export interface SegmentReplacement {
  /** `hash+size`. */
  block: string;
  offset: number;
  length: number;
  to: NewPlace;
}

/** What must hold when the request commits. */
export type Condition =
  | { path: string; is: NodeKind[]; otherwise: Refusal }
  /** ETags with quotes, as WebDAV or S3 shows them; `*` is any file. */
  | (EtagTerm & { otherwise: Refusal })
  /** At least one of these lists holds with all that is in it: WebDAV's `If`. */
  | { anyOf: (EtagTerm | LockTerm)[][]; otherwise: Refusal }
  | { portableDataHash: string; otherwise: Refusal }
  /** What is at these paths is what is there in that content. */
  | { paths: string[]; asIn: string; otherwise: Refusal };

export interface EtagTerm {
  path: string;
  etag: string[];
  /** Whether the ETag must be one of these, or must not. */
  matches: boolean;
}

/** Whether the path is, or is not, locked with this token. */
export interface LockTerm {
  path: string;
  lockToken: string;
  matches: boolean;
}

export interface Refusal {
  code: 'precondition_failed' | 'conflict' | 'not_found' | 'bad_request' | 'method_not_allowed' | 'forbidden';
  message: string;
}

/** Who changes the collection: judged again when the change commits. */
export interface Writer {
  user: User;
  /** UUID of the token, which must still be valid; null for the root token and tokens of a cluster. */
  tokenUuid: string | null;
  /** As presented: beside a cluster its API server is asked with it. */
  token: string;
  /** Id of the request, which the collection's Durable Object goes on with. */
  requestId?: string;
}

export interface EditRequest {
  writer: Writer;
  edits: Edit[];
  conditions: Condition[];
  /** Attributes of the collection that change in the same revision. */
  attributes?: Row;
  /** Ranges of blocks whose place others take, after the edits; such a request has a revision of its own. */
  segments?: SegmentReplacement[];
  /** An upload that becomes complete with this request, and what is kept of its outcome. */
  completes?: { upload: string; result: string };
  /** WebDAV lock tokens that the client holds. */
  lockTokens: string[];
}

export interface Edited {
  revision: number;
  portableDataHash: string;
  /** What was at each path that the request wrote to, before it. */
  before: Record<string, NodeKind>;
}

/** What edits work on. */
export interface Texts {
  /** The collection's text before the edits; read up to four times. */
  current(): Promise<Chunks>;
  portableDataHash: string;
  /** ETags of files as readers of each kind see them, by path; asked for only with conditions on ETags. */
  etags(paths: string[]): Promise<Map<string, string[]>>;
  /** Which of these directories have metadata; asked for only with edits that prune. */
  marked(directories: string[]): Promise<Set<string>>;
  /** @throws KeepError not_found */
  source(source: TextSource): Promise<Chunks>;
}
