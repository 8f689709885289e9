import type { Account, Authority, User } from '../../accounts/account.ts';
import type { CachingAuthority } from '../../accounts/token-cache.ts';
import type { TokenStore } from '../../accounts/tokens.ts';
import type { UploadLog } from '../../accounts/upload-log.ts';
import type { UserStore } from '../../accounts/users.ts';
import type { Collections } from '../../collections/collections.ts';
import type { Groups } from '../../collections/groups.ts';
import type { Signing } from '../../collections/sign-manifest.ts';
import type { RequestContext } from '../../http/context.ts';
import { KeepError } from '../../keep/errors.ts';
import type { Row } from '../../records/columns.ts';
import type { ServiceDirectory } from '../../services/service-directory.ts';
import type { Body, BodyReader } from './request-body.ts';

/** The embedded API: everything that its handlers ask. */
export interface EmbeddedApi {
  mode: 'embedded';
  db: D1Database;
  authority: CachingAuthority;
  users: UserStore;
  tokens: TokenStore;
  collections: Collections;
  groups: Groups;
  uploads: UploadLog;
  directory: ServiceDirectory;
  signing: Signing;
  facts: ClusterFacts;
}

/** Beside a cluster its own API server answers; here requests are passed on or refused. */
export interface ClusterApi {
  mode: 'cluster';
  /** Origin, without a trailing slash. */
  apiUrl: string;
  forward: boolean;
  /** The upload log is ours in this mode too; null without a database. */
  uploadLog: Pick<EmbeddedApi, 'db' | 'uploads'> | null;
  authority: Authority;
}

/** What the discovery document and the public config tell. */
export interface ClusterFacts {
  clusterId: string;
  blobSigningTtlSeconds: number;
  trashLifetimeSeconds: number;
  /** Copies that clients ask for; no more than the volumes can give. */
  replication: number;
  storageClasses: Record<string, { priority: number; default: boolean }>;
  remoteClusters: string[];
}

export interface ApiDependencies {
  /** Null: neither a database nor a cluster is bound, so there is no API here. */
  api: EmbeddedApi | ClusterApi | null;
}

/** One request to the embedded API, after its method is settled and its token accepted. */
export interface ApiCall {
  context: RequestContext;
  /** What stood in the path, in order. */
  path: string[];
  parameters: Row;
  body: BodyReader;
  account: Account;
  user: User;
  /** As presented: signatures are made over it. */
  token: string;
}

/** The body's parameters join those of the query. */
export async function readBody(call: ApiCall): Promise<Body> {
  const body = await call.body.read();
  Object.assign(call.parameters, body.parameters);
  return body;
}

/** @throws KeepError bad_request */
export function pathPart(call: ApiCall, index = 0): string {
  const part = call.path[index];
  if (part === undefined) throw new KeepError('bad_request');
  return part;
}
