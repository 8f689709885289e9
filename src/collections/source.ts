import type { FileMetadata } from './edit/edits.ts';

/** An open collection, as the download surface reads it. */
export interface OpenCollection {
  /** Null when it was found by its portable data hash. */
  uuid: string | null;
  portableDataHash: string;
  /** Null where the source does not tell. */
  ownerUuid: string | null;
  name: string;
  /** RFC 3339. */
  modifiedAt: string;
  /** RFC 3339; null where the source does not tell. */
  createdAt: string | null;
  /** Grows with every change of content or metadata; null where that is not known. */
  revision: number | null;
  /** Whether files may have metadata beside their content. */
  hasMetadata: boolean;
  /**
   * The manifest's text. Who may read the collection may read its blocks: locators are signed for the token only where
   * they come from a cluster.
   */
  manifest: () => Promise<AsyncIterable<Uint8Array>>;
}

/** Further facts about a collection. Times are RFC 3339. */
export interface CollectionDescription {
  description: string | null;
  properties: Record<string, unknown>;
  created_at: string | null;
  /** Null when the token may not read that user's record. */
  modified_by_user: { email: string; full_name: string; username: string; uuid: string } | null;
}

/** Something with a name in a project or a home. */
export interface Entry {
  kind: 'project' | 'collection';
  uuid: string;
  name: string;
  /** RFC 3339. */
  modifiedAt: string;
  createdAt: string;
  /** Null for a project. */
  portableDataHash: string | null;
}

export interface Home {
  uuid: string;
  username: string;
  /** Whether it is the token's own; true where that is not known. */
  own: boolean;
}

/**
 * Collections and projects as one token may see them: on our own D1, or at the cluster's API server. A missing
 * record and one that may not be read (also because of the token's scopes) are both `null`.
 * All throw KeepError unauthorized for an invalid token, bad_gateway when the cluster fails.
 */
export interface CollectionSource {
  /** @param id UUID, or portable data hash */
  open(id: string, token: string, signal?: AbortSignal): Promise<OpenCollection | null>;
  /** What clients stored beside files of an open collection, by path. Paths that have none are missing. */
  metadata(collection: OpenCollection, paths: readonly string[]): Promise<ReadonlyMap<string, FileMetadata>>;
  /** @param uuid of a collection */
  describe(uuid: string, token: string, signal?: AbortSignal): Promise<CollectionDescription | null>;
  /** The project of a UUID; a user's UUID is no project but has contents. */
  project(uuid: string, token: string, signal?: AbortSignal): Promise<Entry | null>;
  /** What is directly in a project or a home, in the order of the UUIDs. */
  contents(ownerUuid: string, token: string, signal?: AbortSignal): AsyncIterable<Entry>;
  /**
   * One page of all collections and projects that the token may see, in the order of their UUIDs.
   * @param after only UUIDs behind this one
   * @param limit at most 1,000
   */
  visible(
    kind: Entry['kind'],
    after: string,
    limit: number,
    token: string,
    signal?: AbortSignal,
  ): Promise<(Entry & { ownerUuid: string })[]>;
  /** What has this name there: projects before collections, or only what is of the given kind. */
  child(
    ownerUuid: string,
    name: string,
    token: string,
    signal?: AbortSignal,
    kind?: Entry['kind'],
  ): Promise<Entry | null>;
  /** The home of a user by name. */
  home(username: string, token: string, signal?: AbortSignal): Promise<Home | null>;
  /** Users whose homes the token may list. */
  homes(token: string, signal?: AbortSignal): Promise<Home[]>;
}
