import * as v from 'valibot';
import { KeepError } from '../keep/errors.ts';
import { boundedJson } from '../streams/bounded-text.ts';
import { type KeepService, type ServiceRecord, serviceFromRecord } from './keep-service.ts';

/** Where a client gets its services from. */
export interface ServiceSource {
  /** The list never changes: asking again finds nothing new. */
  readonly isFixed?: boolean;
  /**
   * @param refresh ask the source again, because the earlier list did not work
   * @throws KeepError bad_gateway when there is no list at all
   */
  list(refresh?: boolean): Promise<KeepService[]>;
}

const Record = v.looseObject({
  uuid: v.string(),
  service_host: v.pipe(v.string(), v.minLength(1)),
  service_port: v.pipe(v.number(), v.integer()),
  service_ssl_flag: v.nullish(v.boolean(), false),
  service_type: v.nullish(v.string(), 'disk'),
  read_only: v.nullish(v.boolean(), false),
});
const Answer = v.looseObject({ items: v.array(v.unknown()) });

/** Thousands of services. */
const MAX_LIST_BYTES = 1024 * 1024;
const LIST_TIMEOUT_MS = 20_000;
const LIST_FRESH_MS = 300_000;

/** Services that are given and never change. */
export function fixedServices(services: readonly KeepService[]): ServiceSource {
  return { isFixed: true, list: async () => [...services] };
}

interface ListRequest {
  token?: string | undefined;
  fetcher?: typeof fetch | undefined;
  timeoutMs?: number | undefined;
}

/**
 * The `keep_services/accessible` records of a cluster. The token is optional: the API server answers without one.
 * @throws KeepError bad_gateway
 */
export async function fetchServiceRecords(
  apiUrl: string,
  { token, fetcher = fetch, timeoutMs = LIST_TIMEOUT_MS }: ListRequest = {},
): Promise<ServiceRecord[]> {
  try {
    const response = await fetcher(`${apiUrl}/arvados/v1/keep_services/accessible`, {
      headers: { Accept: 'application/json', ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }) },
      redirect: 'manual',
      signal: AbortSignal.timeout(timeoutMs),
    });
    if (!response.ok) {
      await response.body?.cancel();
      throw new Error(`keep_services/accessible answered ${response.status}`);
    }
    return parseServiceRecords(await boundedJson(response, MAX_LIST_BYTES));
  } catch (cause) {
    throw new KeepError('bad_gateway', { message: `no list of Keep services from ${apiUrl}`, cause });
  }
}

/** The usable records of a keep_services list; an invalid record is left out and does not fail the rest. */
export function parseServiceRecords(list: unknown): ServiceRecord[] {
  return v.parse(Answer, list).items.flatMap((item): ServiceRecord[] => {
    const record = v.safeParse(Record, item);
    return record.success ? [record.output] : [];
  });
}

/** Services from the API server, asked again after five minutes or on refresh; a failed request keeps the last good list. */
export function accessibleServices(
  apiUrl: string,
  options: { token?: string; fetcher?: typeof fetch; now?: () => number } = {},
): ServiceSource {
  const { now = Date.now } = options;
  let known: { services: KeepService[]; at: number } | null = null;
  return {
    async list(refresh = false) {
      if (known !== null && !refresh && now() - known.at < LIST_FRESH_MS) return known.services;
      try {
        const records = await fetchServiceRecords(apiUrl, options);
        known = { services: records.map(serviceFromRecord), at: now() };
      } catch (error) {
        if (known === null) throw error;
      }
      return known.services;
    },
  };
}
