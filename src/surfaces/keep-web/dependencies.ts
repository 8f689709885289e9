import type { Tickets } from '../../accounts/tickets.ts';
import type { FileDependencies, FileSettings } from '../../files/dependencies.ts';
import type { Writing } from '../../files/writing.ts';
import type { PeoplePages } from '../../pages/views.ts';
import type { OriginSettings } from './origin-policy.ts';

/** What an operator can set about downloads. */
export interface DownloadSettings extends OriginSettings, FileSettings {
  /** WEBDAV_DOWNLOAD: where people are sent for downloads, without a trailing slash; null when it is not set. */
  downloadUrl: string | null;
  /** WORKBENCH2: where people without a token can get one; null when it is not set. */
  workbenchUrl: string | null;
  /** ANONYMOUS_USER_TOKEN, tried last wherever a collection is named. */
  anonymousToken: string | null;
  /** EDGE_CACHE: whether checksums for archives are kept by the Cache API. */
  edgeCache: boolean;
}

/** The dependencies of this surface. */
export interface KeepWebDependencies extends FileDependencies {
  /** Opens the addresses that DRS and htsget give out. */
  tickets: Tickets;
  /** Null: nothing can be changed here. */
  writing: Writing | null;
  downloads: DownloadSettings;
  /** Null: listings are bare pages, and a sign-in page is this surface's own. */
  pages: PeoplePages | null;
}
