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
      managementToken: config.managementToken || null,
      oidc: config.oidc,
      remarks: remarksOf(config, env),
    },
  };
}

/** What works, but not as an operator may think. The state of bindings and secrets is told by `GET /keep-edge/v1/deployment`. */
function remarksOf({ downloads, volumes, apiUrl }: Config, env: Env): string[] {
  const embedded = apiUrl === null;
  const remarks: [boolean, string][] = [
    [
      downloads.collectionsUrl === null,
      'WEBDAV is not set: HTML, PDF and genomes are shown on hosts below localhost only.',
    ],
    [
      embedded && env.LOGS_DB === undefined,
      'LOGS_DB is not bound: logs and uploads share the database of the collections.',
    ],
    [embedded && volumes.every(({ readOnly }) => readOnly), 'Every volume is read-only: nothing can be stored.'],
  ];
  return remarks.flatMap(([applies, sentence]) => (applies ? [sentence] : []));
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
