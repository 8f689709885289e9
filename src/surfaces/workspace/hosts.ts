import type { RequestContext } from '../../http/context.ts';
import { idOfHost } from '../../keep/collection-ids.ts';
import type { WorkspaceSettings } from './dependencies.ts';

/**
 * Whether the workspace may be on this host: where files of collections are only saved, never shown, so that none of
 * them can act with the visitor's cookie. Never a host of a collection's own.
 */
export function isHome(host: string, { downloadHost, trustAllContent }: WorkspaceSettings): boolean {
  if (idOfHost(host) !== null) return false;
  return downloadHost === null ? !trustAllContent : normal(host) === normal(downloadHost);
}

/** Origin of a collection's own host, where its files may be shown as pages; null where none is configured. */
export function ownOriginOf(
  uuid: string,
  { url }: RequestContext,
  { collectionsUrl }: WorkspaceSettings,
): string | null {
  if (collectionsUrl !== null) return collectionsUrl.replace('*', uuid).replace(/\/$/, '');
  // Browsers look for every name below localhost on this machine.
  if (/^(localhost|127\.0\.0\.1|\[::1\])$/.test(url.hostname)) {
    return `${url.protocol}//${uuid}.localhost${url.port === '' ? '' : `:${url.port}`}`;
  }
  return null;
}

function normal(host: string): string {
  return host.toLowerCase().replace(/:(80|443)$/, '');
}
