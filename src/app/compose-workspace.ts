import type { Config } from '../config/config.ts';
import type { Env } from '../config/env.ts';
import { createContext } from '../http/context.ts';
import { arvadosApi } from '../surfaces/arvados/api.ts';
import type { CallApi, WorkspaceDependencies } from '../surfaces/workspace/dependencies.ts';
import type { AccountDependencies } from './compose-accounts.ts';

/** The dependencies of the pages for people. */
export function composeWorkspace(config: Config, env: Env, accounts: AccountDependencies): WorkspaceDependencies {
  const { downloads } = config;
  return {
    api: accounts.api === null ? null : apiCaller(accounts),
    assets: env.ASSETS,
    identify: accounts.authority.identify,
    settings: {
      clusterId: config.clusterId,
      downloadHost: downloads.downloadUrl === null ? null : new URL(downloads.downloadUrl).host,
      downloadUrl: downloads.downloadUrl,
      trustAllContent: downloads.trustAllContent,
      workbenchUrl: downloads.workbenchUrl,
      collectionsUrl: downloads.collectionsUrl,
      anonymousToken: accounts.anonymousToken,
      rootToken: config.systemRootToken,
      besideCluster: config.apiUrl !== null,
    },
  };
}

/** Requests to the Arvados API that do not leave this Worker, or go on to the cluster: with all its checks, as anyone's. */
function apiCaller(accounts: AccountDependencies): CallApi {
  return (context, token, path, { method = 'GET', query = {}, body } = {}) => {
    const url = new URL(`/arvados/v1/${path}`, context.url);
    for (const [name, value] of Object.entries(query))
      url.searchParams.set(name, typeof value === 'string' ? value : JSON.stringify(value));
    const headers = new Headers({ Authorization: `Bearer ${token}`, 'X-Request-Id': context.requestId });
    if (body !== undefined) headers.set('Content-Type', 'application/json');
    const request = new Request(url, {
      method,
      headers,
      ...(body === undefined ? {} : { body: body instanceof ReadableStream ? body : JSON.stringify(body) }),
    });
    return arvadosApi(createContext(request, context.waitUntil), accounts);
  };
}
