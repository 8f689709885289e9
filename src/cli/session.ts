import { randomBytes } from 'node:crypto';
import { formatSeconds } from '../keep/human-format.ts';
import { parseToken, saltToken } from '../keep/token.ts';
import { createKeepClient, type KeepClient } from '../services/keep-client.ts';
import { type KeepService, serviceFromRecord, servicesFromUrls } from '../services/keep-service.ts';
import { type RetryPolicy, SDK_RETRIES } from '../services/retry.ts';
import type { OnPause } from '../services/rounds.ts';
import { fixedServices, parseServiceRecords, type ServiceSource } from '../services/service-source.ts';
import { type Api, type ApiRequest, createApi, type Row } from './api-client.ts';
import { createRangeReader, type ReadRange } from './get/range-reader.ts';
import { createNodePlatform } from './node-platform.ts';
import { errorScreen, sayAbove } from './progress.ts';
import { readSettings, type Settings } from './settings.ts';

/** The cluster's defaults that uploads follow. */
export interface ClusterFacts {
  clusterId: string;
  replication: number;
  signatureTtlSeconds: number;
  /** Whether collections can be changed path by path (`replace_files`). */
  canReplaceFiles: boolean;
  /** The cluster's storage classes; empty when it does not say. */
  classes: string[];
  /** Those that blocks go to unless told otherwise. */
  defaultClasses: string[];
}

/** One connection to a cluster: its API and its Keep services. */
export interface Session {
  settings: Settings;
  api: Api;
  keep: KeepClient;
  services: ServiceSource;
  facts(): Promise<ClusterFacts>;
  /** Reads parts of files of a collection. */
  rangeReader(portableDataHash: string): ReadRange;
  /** Ends idle connections, so that the process can exit. */
  close(): void;
}

const DEFAULT_REPLICATION = 2;
const DEFAULT_TTL_SECONDS = 14 * 24 * 3600;
const REFRESH_TIMEOUT_MS = 20_000;
const LIST_FRESH_MS = 300_000;
const HINTED_CLUSTERS = 'https://keep.*.arvadosapi.com';
/** As arv-put: a transfer may stay below 32 KiB/s for 256 s. */
const LOW_SPEED = { bytesPerSecond: 32_768, windowMs: 256_000 };

export interface SessionOptions {
  settings?: Settings;
  retry?: RetryPolicy;
  /** Called before each pause of a retry; the default writes a line to standard error. */
  onPause?: OnPause;
  /** Blocks are read past the services' caches. */
  pastCaches?: boolean;
}

export function openSession({
  settings = readSettings(),
  retry = SDK_RETRIES,
  onPause = sayPauses(),
  pastCaches = false,
}: SessionOptions = {}): Session {
  const requestId = `req-${randomBytes(10).toString('hex')}`;
  const api = createApi(settings, { requestId, retry, onPause });
  const platform = createNodePlatform({ insecure: settings.insecure });
  const services = serviceSource(settings, api);
  const { token } = settings;
  const keep = createKeepClient({
    services,
    token,
    platform,
    ...(pastCaches ? { headers: { 'Cache-Control': 'no-cache' } } : {}),
    retry,
    onPause,
    requestId,
    limits: { ...LOW_SPEED, windowMs: lowSpeedWindowMs(process.env) },
    hintedCluster: (id) => hintedCluster(id, token),
  });
  let facts: Promise<ClusterFacts> | null = null;
  let discovery: Promise<Row> | null = null;
  const discover = () => {
    discovery ??= api('discovery/v1/apis/arvados/v1/rest');
    return discovery;
  };
  return {
    settings,
    api,
    keep,
    services,
    facts() {
      facts ??= readFacts(settings, api, discover);
      return facts;
    },
    rangeReader: (portableDataHash) =>
      createRangeReader({
        transport: platform.transport,
        token,
        service: async () => fileService(settings, (await discover()).keepWebServiceUrl),
        portableDataHash,
      }),
    close() {
      api.close();
      platform.close();
    },
  };
}

/**
 * Where a `+K@xxxxx` hint leads. Who can write a collection chooses the hint: that cluster gets a token that is
 * salted for it, never our own. Null without such a token, and for our own cluster, whose services are asked anyway.
 */
export function hintedCluster(id: string, token: string): { url: string; token: string } | null {
  if (parseToken(token).uuid?.startsWith(id) !== false) return null;
  try {
    return { url: HINTED_CLUSTERS.replace('*', id), token: saltToken(token, id) };
  } catch {
    return null;
  }
}

function lowSpeedWindowMs({ KEEP_EDGE_LOW_SPEED_SECONDS: seconds }: Record<string, string | undefined>): number {
  return seconds !== undefined && /^[1-9]\d{0,5}$/.test(seconds) ? Number(seconds) * 1000 : LOW_SPEED.windowMs;
}

/** ARVADOS_KEEP_SERVICES, or the list of the API server. A refresh asks once, and keeps the last list when that fails. */
function serviceSource({ keepServices }: Settings, api: Api): ServiceSource {
  if (keepServices.length > 0) return fixedServices(servicesFromUrls(keepServices));
  const ask = async (how: ApiRequest = {}): Promise<KeepService[]> => {
    const list = await api('arvados/v1/keep_services/accessible', how);
    return parseServiceRecords(list).map(serviceFromRecord);
  };
  let known: KeepService[] | null = null;
  let knownAt = 0;
  let asking: Promise<KeepService[]> | null = null;
  const keep = (list: KeepService[]) => {
    known = list;
    knownAt = performance.now();
    return list;
  };
  return {
    async list(refresh = false) {
      const last = known;
      // Services come and go while a large transfer runs.
      if (last !== null && !refresh && performance.now() - knownAt < LIST_FRESH_MS) return last;
      asking ??= (
        last === null
          ? ask().then(keep)
          : // The services may answer while the API server does not.
            ask({ patient: false, signal: AbortSignal.timeout(REFRESH_TIMEOUT_MS) }).then(keep, () => keep(last))
      ).finally(() => {
        asking = null;
      });
      return asking;
    },
  };
}

/** The address of the service for files. Null also where a token that goes over TLS would be sent in the clear. */
function fileService({ apiUrl }: Settings, url: unknown): string | null {
  if (typeof url !== 'string' || !/^https?:\/\//.test(url)) return null;
  if (apiUrl.startsWith('https:') && !url.startsWith('https:')) return null;
  return url.replace(/\/+$/, '');
}

async function readFacts({ keepServices }: Settings, api: Api, discover: () => Promise<Row>): Promise<ClusterFacts> {
  const [discovery, config] = await Promise.all([discover(), api('arvados/v1/config').catch((): Row => ({}))]);
  const classes = (config.StorageClasses ?? {}) as Record<string, { Default?: boolean }>;
  return {
    clusterId: String(discovery.uuidPrefix ?? ''),
    replication: Number(discovery.defaultCollectionReplication ?? DEFAULT_REPLICATION),
    signatureTtlSeconds: Number(discovery.blobSignatureTtl ?? DEFAULT_TTL_SECONDS),
    canReplaceFiles: canReplaceFiles(discovery),
    classes: Object.keys(classes).sort(),
    // Services by address get no class header, as with the SDK.
    defaultClasses:
      keepServices.length > 0
        ? []
        : Object.keys(classes)
            .filter((name) => classes[name]?.Default === true)
            .sort(),
  };
}

function canReplaceFiles(discovery: Row): boolean {
  type Resources = { collections?: { methods?: { update?: { parameters?: object } } } };
  return 'replace_files' in ((discovery.resources as Resources)?.collections?.methods?.update?.parameters ?? {});
}

/** Many transfers fail at once when a network does: one line is enough. */
const SAY_EVERY_MS = 3_000;

function sayPauses(): OnPause {
  let said = Number.NEGATIVE_INFINITY;
  return (why, pauseMs) => {
    if (performance.now() - said < SAY_EVERY_MS) return;
    said = performance.now();
    sayAbove(errorScreen(), `${why}. Trying again in ${formatSeconds(pauseMs / 1000)}.`);
  };
}
