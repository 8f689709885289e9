import type { RequestContext } from '../../http/context.ts';
import { clientScheme } from '../../http/session-cookie.ts';
import { encodeUriName } from '../../keep/manifest/uri-names.ts';
import type { Ga4ghDependencies } from './dependencies.ts';
import type { Opened } from './open-file.ts';

/** Where this service was asked, as its clients see it: `https://host`. */
export function originOf({ request, url }: RequestContext): string {
  return `${clientScheme(request, url)}://${url.host}`;
}

/**
 * An address of a file that needs nothing else: of public data as it is, otherwise with a ticket in its path, because
 * clients drop headers on their way.
 */
export async function accessUrl(
  context: RequestContext,
  { settings, tickets, downloader }: Ga4ghDependencies,
  { collection, token, isPublic }: Opened,
  path: string,
): Promise<string> {
  const { portableDataHash, uuid } = collection;
  const expiresAt = Math.floor(context.now) + settings.ticketTtlSeconds;
  // A token for one collection opens it by its UUID only.
  const isScoped = uuid !== null && ((await downloader(token))?.isScoped ?? true);
  const id = isScoped ? uuid : portableDataHash;
  const ticket = isPublic ? [] : [`t=${await tickets.seal({ token, portableDataHash, expiresAt }, { id, path })}`];
  const names = path.split('/');
  // A first component like these means something else there, unless `_` stands before it.
  const detour = names[0] === '_' || names[0]?.startsWith('t=') ? ['_'] : [];
  const steps = [...detour, ...names].map(encodeUriName);
  const base = settings.downloadUrl ?? originOf(context);
  return [base, `c=${id.replace('+', '-')}`, ...ticket, ...steps].join('/');
}
