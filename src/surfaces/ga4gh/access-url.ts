import type { RequestContext } from '../../http/context.ts';
import { encodeUriName } from '../../keep/manifest/uri-names.ts';
import type { Ga4ghDependencies } from './dependencies.ts';
import type { Opened } from './open-file.ts';

/** Where this service was asked, as its clients see it: `https://host`. */
export function originOf({ request, url }: RequestContext): string {
  const forwarded = request.headers.get('X-Forwarded-Proto');
  const scheme = forwarded === 'https' || forwarded === 'http' ? `${forwarded}:` : url.protocol;
  return `${scheme}//${url.host}`;
}

/**
 * An address of a file that needs nothing else: of public data as it is, otherwise with a ticket in its path, because
 * clients drop headers on their way.
 */
export async function accessUrl(
  context: RequestContext,
  { settings, tickets }: Ga4ghDependencies,
  { collection, token, isPublic }: Opened,
  path: string,
): Promise<string> {
  const { portableDataHash } = collection;
  const expiresAt = Math.floor(context.now) + settings.ticketTtlSeconds;
  const ticket = isPublic ? [] : [`t=${await tickets.seal(token, { portableDataHash, path }, expiresAt)}`];
  const names = path.split('/');
  // A first component like these means something else there, unless `_` stands before it.
  const detour = names[0] === '_' || names[0]?.startsWith('t=') ? ['_'] : [];
  const steps = [...detour, ...names].map(encodeUriName);
  const base = settings.downloadUrl ?? originOf(context);
  return [base, `c=${portableDataHash.replace('+', '-')}`, ...ticket, ...steps].join('/');
}
