import { createTickets } from '../accounts/tickets.ts';
import { type RangeSource, readRange } from '../blocks/read-range.ts';
import { createEventLog } from '../collections/event-log.ts';
import { createFileTrees } from '../collections/file-trees.ts';
import type { Config } from '../config/config.ts';
import type { Env } from '../config/env.ts';
import type { Writing } from '../files/writing.ts';
import { count } from '../http/metrics.ts';
import type { PeoplePages } from '../pages/views.ts';
import { changeAtClusterApi } from '../services/cluster-api.ts';
import type { Ga4ghDependencies } from '../surfaces/ga4gh/dependencies.ts';
import type { DownloadSettings, KeepWebDependencies } from '../surfaces/keep-web/dependencies.ts';
import type { AccountDependencies } from './compose-accounts.ts';
import type { LimitDependencies } from './compose-limits.ts';
import { composeWriting } from './compose-writing.ts';

/** The dependencies of downloads: collections, their files, and blocks. Null without a source of collections. */
export function composeKeepWeb(
  config: Config,
  env: Env,
  accounts: AccountDependencies,
  ranges: RangeSource,
  {
    destination,
    pages,
    egress,
    isPublicToken,
  }: {
    destination: Writing['destination'];
    pages: PeoplePages;
  } & Pick<LimitDependencies, 'egress' | 'isPublicToken'>,
): KeepWebDependencies | null {
  const { authority, collectionSource, api, anonymousToken } = accounts;
  if (collectionSource === null) return null;
  const spend = async (token: string, bytes: number) => {
    if (egress !== null && isPublicToken(token)) await egress.spend(bytes);
  };
  const logsDb = env.LOGS_DB ?? env.DB;
  const events =
    logsDb === undefined ? null : createEventLog(logsDb, config.clusterId, countDropped, (ms) => scheduler.wait(ms));
  return {
    writing: composeWriting(config, accounts, destination),
    tickets: createTickets(config.systemRootToken, Date.now),
    downloads: settingsOf(config, anonymousToken),
    pages,
    collections: collectionSource,
    trees: createFileTrees(config.edgeCache !== 'off'),
    requireEgress: (token) => spend(token, 0),
    async openBlock({ hash, size, hints }, range, caller) {
      await spend(caller.token, range.length);
      return readRange(ranges, { hash, size, hints: hints.split('+').slice(1) }, range, caller);
    },
    async isAccepted(token) {
      try {
        const account = await authority.identify(token);
        return account !== null && account.user?.isActive !== false;
      } catch {
        return true;
      }
    },
    changesOf:
      api?.mode === 'cluster' && config.downloads.readStalenessSeconds === 0 ? api.commits?.changes : undefined,
    async downloader(token) {
      const account = await authority.identify(token);
      if (account === null || account.user === null) return null;
      const { uuid, fullName, isAdmin } = account.user;
      return { uuid, fullName, isAdmin, isScoped: !account.scopes.includes('all') };
    },
    recordDownload(event, token, waitUntil) {
      if (api?.mode === 'cluster') waitUntil(reportToCluster(api.apiUrl, event, token));
      else events?.record(event.object_uuid, event, Date.now(), waitUntil);
    },
  };
}

/** DRS and htsget over the same collections. */
export function composeGa4gh(config: Config, deps: KeepWebDependencies): Ga4ghDependencies {
  const { anonymousToken, downloadUrl } = deps.downloads;
  const { ticketTtlSeconds } = config.downloads;
  return { ...deps, settings: { clusterId: config.clusterId, anonymousToken, downloadUrl, ticketTtlSeconds } };
}

function settingsOf(config: Config, anonymousToken: string | null): DownloadSettings {
  const { downloads } = config;
  return {
    ...downloads,
    // Beside a cluster each look is a request to its API server, and changes are mostly made elsewhere.
    readStalenessSeconds:
      config.apiUrl === null
        ? downloads.readStalenessSeconds
        : Math.max(downloads.readStalenessSeconds, downloads.openTtlSeconds),
    anonymousToken: downloads.anonymousToken ?? anonymousToken,
    clusterId: config.clusterId,
    edgeCache: config.edgeCache !== 'off',
    downloadHost: downloads.downloadUrl === null ? null : new URL(downloads.downloadUrl).host,
  };
}

function countDropped(): void {
  count('keep_edge_download_log_dropped_total');
}

const LOG_TIMEOUT_MS = 20_000;

/** With the reader's own token; downloads with tokens that may not write logs (sharing links) are in the request log only. */
async function reportToCluster(apiUrl: string, event: unknown, token: string): Promise<void> {
  try {
    const change = { method: 'POST', token, body: { log: event }, timeoutMs: LOG_TIMEOUT_MS };
    const response = await changeAtClusterApi(`${apiUrl}/arvados/v1/logs`, change);
    await response.body?.cancel();
    if (!response.ok) countDropped();
  } catch {
    countDropped();
  }
}
