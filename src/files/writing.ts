import type { Account, User } from '../accounts/account.ts';
import type { BodyDestination } from '../blocks/body-blocks.ts';
import type { Commits } from '../collections/commits.ts';
import type { BlockRange, Writer } from '../collections/edit/edits.ts';
import type { OpenCollection } from '../collections/source.ts';
import type { Uploads } from '../collections/uploads/uploads.ts';
import type { RequestContext } from '../http/context.ts';

/** How many copies a collection's owner wants, and where. */
export interface WritePlace {
  replicas: number;
  storageClasses: string[];
}

/** What every surface uses that changes files of collections. */
export interface Writing {
  /** Null for a token that is unknown, revoked or expired. */
  identify(token: string, signal?: AbortSignal): Promise<Account | null>;
  /**
   * Judges a writer before a body is read; the commit judges once more.
   * @throws KeepError not_found, forbidden
   */
  requireWritable(uuid: string, writer: Writer): Promise<WritePlace>;
  /** Whether a UUID that takes no commit is a past version that the writer may read. */
  isPastVersion(uuid: string, writer: Writer): Promise<boolean>;
  commits: Pick<Commits, 'edit' | 'lock' | 'refreshLock' | 'unlock' | 'locks'>;
  /** Files that arrive in parts. */
  uploads: Uploads;
  /** Ranges of a collection that another file is to consist of, with what a commit wants to see of them. */
  citable(collection: OpenCollection, ranges: BlockRange[]): Promise<BlockRange[]>;
  /** Where the blocks of a body go. */
  destination(context: RequestContext, client: { token: string; user: User }, place: WritePlace): BodyDestination;
  /**
   * Properties that clients have set, by path: of the path itself and what is in it, at most MAX_LISTED_PROPERTIES
   * @param depth 0: only its own; 1: also of its members
   */
  propertiesOf(uuid: string, path: string, depth: '0' | '1' | 'infinity'): Promise<Map<string, Record<string, string>>>;
  projects: {
    /** @throws KeepError invalid_record, forbidden, not_found */
    createCollection(project: string, name: string, writer: Writer): Promise<void>;
    changeCollection(uuid: string, attributes: { name: string; owner_uuid?: string }, writer: Writer): Promise<void>;
    /** @param portableDataHash only while the collection has this content, else precondition_failed */
    trashCollection(uuid: string, writer: Writer, portableDataHash?: string): Promise<void>;
  };
  /** WEBDAV_PERMISSION: whether users, and admins, may upload. */
  mayUpload: { user: boolean; admin: boolean };
  /** WEBDAV_LITTER: what becomes of files that file managers leave behind. */
  litter: 'keep' | 'drop' | 'refuse';
}
