import type { Account, Authority, User } from '../../accounts/account.ts';
import type { LinkStore } from '../../accounts/links.ts';
import type { NearReads } from '../../accounts/near-reads.ts';
import type { SharingLinkStore } from '../../accounts/sharing-links.ts';
import type { CachingAuthority } from '../../accounts/token-cache.ts';
import type { TokenStore } from '../../accounts/tokens.ts';
import type { UploadLog } from '../../accounts/upload-log.ts';
import type { UserStore } from '../../accounts/users.ts';
import type { Collections } from '../../collections/collections.ts';
import type { Commits } from '../../collections/commits.ts';
import type { Groups } from '../../collections/groups.ts';
import type { Signing } from '../../collections/sign-manifest.ts';
import type { RequestContext } from '../../http/context.ts';
import { KeepError } from '../../keep/errors.ts';
import type { Row } from '../../records/columns.ts';
import type { Search } from '../../search/search.ts';
import type { ServiceDirectory } from '../../services/service-directory.ts';
import type { Webhooks } from '../../webhooks/webhooks.ts';
import { requireKnownAttributes } from './known-attributes.ts';
import type { Body, BodyReader } from './request-body.ts';

/** What the handlers of the embedded API use. */
export interface EmbeddedApi {
  mode: 'embedded';
  db: D1Database;
  /** Holds logs and uploads: `db`, or a database of their own, which cannot be joined with it. */
  logsDb: D1Database;
  authority: CachingAuthority;
  users: UserStore;
  tokens: TokenStore;
  collections: Collections;
  commits: Commits;
  groups: Groups;
  links: LinkStore;
  sharingLinks: SharingLinkStore;
  search: Search;
  /** Lists and names from replicas of `db`. */
  near: NearReads;
  /** Writes the records that every cluster has, once in an isolate. */
  builtIns: () => Promise<void>;
  uploads: UploadLog;
  directory: ServiceDirectory;
  signing: Signing;
  webhooks: Webhooks;
  facts: ClusterFacts;
}

/** Beside a cluster: requests are forwarded to its API server, or refused. */
export interface ClusterApi {
  mode: 'cluster';
  /** Origin, without a trailing slash. */
  apiUrl: string;
  forward: boolean;
  /** The upload log is kept here in this mode too; null without a database. */
  uploadLog: Pick<EmbeddedApi, 'logsDb' | 'uploads'> | null;
  authority: Authority;
  /** Brings writers of one collection into an order, and keeps their locks; null where its Durable Object is not bound. */
  commits: Commits | null;
}

/** Facts in the discovery document and the public config. */
export interface ClusterFacts {
  clusterId: string;
  blobSigningTtlSeconds: number;
  trashLifetimeSeconds: number;
  /** COLLECTION_VERSIONING. */
  versioning: boolean;
  /** DEFAULT_REPLICATION: copies that the cluster is to keep of a block. */
  defaultReplication: number;
  /** Copies that the volumes of the default classes can keep here; at least 1. */
  possibleReplication: number;
  /** This service's own gateways. */
  gateways: { uuid: string; name: string }[];
  storageClasses: Record<string, { priority: number; default: boolean }>;
  remoteClusters: string[];
  /** Opens what is public. */
  anonymousToken: string;
  /** Origin of addresses for people; null for the one that a request came to. */
  downloadUrl: string | null;
}

export interface ApiDependencies {
  /** Null: neither a database nor a cluster is configured. */
  api: EmbeddedApi | ClusterApi | null;
}

/** A request to the embedded API whose method is settled and whose token is accepted. */
export interface ApiCall {
  context: RequestContext;
  /** The route's `*` components, in order. */
  path: string[];
  parameters: Row;
  /** Name of the record in the body: `collection`, `group`, … */
  record: string;
  body: BodyReader;
  account: Account;
  user: User;
  /** As presented: signatures are bound to it. */
  token: string;
}

/**
 * Reads the body; its parameters are merged into those of the query.
 * @throws KeepError bad_request; invalid_record for attributes that do not exist
 */
export async function readBody(call: ApiCall): Promise<Body> {
  const body = await call.body.read();
  requireKnownAttributes(call.record, body);
  Object.assign(call.parameters, body.parameters);
  return body;
}

/** @throws KeepError bad_request */
export function pathPart(call: ApiCall, index = 0): string {
  const part = call.path[index];
  if (part === undefined) throw new KeepError('bad_request');
  return part;
}
