/** One Keep service as clients see it. */
export interface KeepService {
  uuid: string;
  /** Scheme, host and port, without a trailing slash. */
  url: string;
  /** `disk`, `proxy`, `gateway:…` or something else. */
  type: string;
  readOnly: boolean;
}

/** A keep_services record of the API server (docs/protocol/blocks.md#services). */
export interface ServiceRecord {
  uuid: string;
  service_host: string;
  service_port: number;
  service_ssl_flag: boolean;
  /** Missing means `disk`. */
  service_type?: string | undefined;
  /** Missing means false. */
  read_only?: boolean | undefined;
}

const STATIC_UUID_PREFIX = '00000-bi6l4-';
const UUID_TAIL_LENGTH = 15;

/** IPv6 hosts are put in brackets. */
export function serviceFromRecord(record: ServiceRecord): KeepService {
  const { service_host: host, service_port: port } = record;
  const name = host.includes(':') && !host.startsWith('[') ? `[${host}]` : host;
  return {
    uuid: record.uuid,
    url: `${record.service_ssl_flag ? 'https' : 'http'}://${name}:${port}`,
    type: record.service_type || 'disk',
    readOnly: record.read_only === true,
  };
}

/** Services given by address, as ARVADOS_KEEP_SERVICES does: proxies, numbered in the order given. */
export function servicesFromUrls(urls: readonly string[]): KeepService[] {
  return urls.map((url, index) => ({
    uuid: STATIC_UUID_PREFIX + String(index).padStart(UUID_TAIL_LENGTH, '0'),
    url: url.replace(/\/+$/, ''),
    type: 'proxy',
    readOnly: false,
  }));
}

/** A gateway serves only the blocks whose locator names it. */
export function isGateway({ type }: KeepService): boolean {
  return type.startsWith('gateway:');
}

/** True when every service is a plain keepstore: short connect times, one copy per write. */
export function areDisks(services: readonly KeepService[]): boolean {
  return services.every(({ type }) => type === 'disk');
}
