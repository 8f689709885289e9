import type { Tickets } from '../../accounts/tickets.ts';
import type { FileDependencies } from '../../files/dependencies.ts';

/** What an operator can set about DRS and htsget. */
export interface Ga4ghSettings {
  clusterId: string;
  /** ANONYMOUS_USER_TOKEN, or the one that is derived; null beside a cluster that has none. */
  anonymousToken: string | null;
  /** WEBDAV_DOWNLOAD: where addresses of files begin, without a trailing slash; null: where the request went. */
  downloadUrl: string | null;
  /** DRS_URL_TTL. */
  ticketTtlSeconds: number;
}

/** The dependencies of this surface. */
export interface Ga4ghDependencies extends FileDependencies {
  settings: Ga4ghSettings;
  tickets: Tickets;
}
