import type { Address } from './address.ts';

/** What an operator says about hosts. */
export interface OriginSettings {
  /** Host (and port) of WEBDAV_DOWNLOAD. Null: every host that is no collection's own is a download host. */
  downloadHost: string | null;
  /** TRUST_ALL_CONTENT: users' files may be shown on an origin that they share. */
  trustAllContent: boolean;
}

export interface OriginPolicy {
  /** Whether the client's credentials count (docs/protocol/files.md#credentials). */
  credentials: boolean;
  /** Whether files are only handed over for saving, never shown in a page of this origin. */
  attachment: boolean;
}

/**
 * Keeps one user's files from acting with another's credentials: on a shared origin either files are only saved, or
 * credentials do not count.
 *
 * @param asked true when the client itself wants an attachment
 */
export function originPolicy(
  address: Address,
  host: string,
  asked: boolean,
  { downloadHost, trustAllContent }: OriginSettings,
): OriginPolicy {
  const ownOrigin = address.kind === 'id' && address.ownOrigin;
  const isDownloadHost =
    host !== '' && (downloadHost === null ? !ownOrigin && !trustAllContent : sameHost(host, downloadHost));
  const anonymousOnly = address.kind === 'id' && address.anonymousOnly;
  return {
    credentials: !anonymousOnly && (isDownloadHost || ownOrigin || trustAllContent),
    attachment: isDownloadHost || asked,
  };
}

/** Compares as browsers do: letters of either case, the default ports are no difference. */
function sameHost(a: string, b: string): boolean {
  return normalHost(a) === normalHost(b);
}

function normalHost(host: string): string {
  return host.toLowerCase().replace(/:(80|443)$/, '');
}
