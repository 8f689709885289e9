import type { Account } from '../../accounts/account.ts';
import type { RequestContext } from '../../http/context.ts';

export interface ApiRequest {
  method?: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  /** Arrays and objects go as JSON text. */
  query?: Record<string, unknown>;
  /** Sent as JSON, or as it is when it is a stream. */
  body?: unknown;
}

/** A request to the Arvados API below /arvados/v1: answered in this Worker, or by the cluster. */
export type CallApi = (context: RequestContext, token: string, path: string, request?: ApiRequest) => Promise<Response>;

export interface WorkspaceSettings {
  clusterId: string;
  /** WEBDAV_DOWNLOAD's host; null: every host that is no collection's own. */
  downloadHost: string | null;
  downloadUrl: string | null;
  trustAllContent: boolean;
  /** WORKBENCH2: people get their tokens there; null when it is not set. */
  workbenchUrl: string | null;
  /** WEBDAV_COLLECTIONS: `https://*.example.org`, hosts of collections' own; null when it is not set. */
  collectionsUrl: string | null;
  /** Opens what is public; null where the cluster says. */
  anonymousToken: string | null;
  /** The OpenID provider that people sign in with; null when there is none. */
  oidc: { issuer: string; clientId: string; clientSecret: string } | null;
  /** SYSTEM_ROOT_TOKEN: makes the tokens of who signs in by a link or a provider. */
  rootToken: string;
  /** MANAGEMENT_TOKEN: opens /metrics; null when it is not set. */
  managementToken: string | null;
  /** What is set in a way that an operator should know of, in words. */
  remarks: string[];
  /** Whether the accounts are a cluster's. */
  besideCluster: boolean;
}

/**
 * The workspace is a client of the Arvados API and of this service's other addresses: it has no permission of its own,
 * and shows each visitor what their token may.
 */
export interface WorkspaceDependencies {
  /** Null: neither a database nor a cluster is bound. */
  api: CallApi | null;
  assets: Fetcher | undefined;
  settings: WorkspaceSettings;
  identify(token: string, signal?: AbortSignal): Promise<Account | null>;
}

/** What pages ask besides: other addresses of this service, in this Worker, for JSON. With `put` it is a PUT of that as JSON. */
export type CallService = (token: string, path: string, put?: unknown) => Promise<Response>;
