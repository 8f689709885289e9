import type { RequestContext } from '../../http/context.ts';
import { clientScheme, tokenCookie } from '../../http/session-cookie.ts';
import { boundedToken, requireFewTokens } from '../../keep/token.ts';
import type { Address } from './address.ts';
import type { OriginPolicy } from './origin-policy.ts';
import type { RequestFields } from './request-fields.ts';

/** Tokens to try, or an answer that gets the token out of the address bar first. */
export type Credentials =
  | { kind: 'tokens'; tokens: string[] /** The last one is the anonymous one. */; anonymous: boolean }
  | { kind: 'redirect'; cookie: string | null }
  | { kind: 'refused' };

/** Which tokens count for a request (docs/protocol/files.md#credentials). */
export function credentialsOf(
  { request, method, url, tokens: own }: RequestContext,
  address: Address,
  policy: OriginPolicy,
  fields: RequestFields,
  anonymousToken: string | null,
): Credentials {
  if (address.kind === 'id' && address.pathToken !== null) {
    return { kind: 'tokens', tokens: [boundedToken(address.pathToken)], anonymous: false };
  }
  const tokens = policy.credentials ? own.map((token) => token.trim()) : [];
  const given = fields.getAll('api_token').map(boundedToken);
  requireFewTokens(given);
  const inForm = fields.form.getAll('api_token');
  if (given.length > 0 && ['GET', 'HEAD', 'POST'].includes(method)) {
    const direct =
      (method !== 'POST' && isCrossOrigin(request, url)) || (policy.attachment && inForm.length === given.length);
    if (!direct && !policy.credentials) return { kind: 'refused' };
    if (!direct) return { kind: 'redirect', cookie: given.find((token) => token.trim() !== '') ?? null };
    tokens.push(...given);
  }
  const namesOne = address.kind === 'id' || (address.path[0] === 'by_id' && address.path.length > 1);
  const anonymous = namesOne && anonymousToken !== null;
  if (anonymous) tokens.push(anonymousToken);
  return { kind: 'tokens', tokens: [...new Set(tokens)].filter((token) => token !== ''), anonymous };
}

function isCrossOrigin(request: Request, url: URL): boolean {
  const origin = request.headers.get('Origin');
  return origin !== null && !origin.endsWith(`://${url.host}`);
}

/** Brings the client back to the same address without the token, which it keeps as a cookie of this origin alone. */
export function tokenRedirect(request: Request, url: URL, rawPath: string, cookie: string | null): Response {
  const proto = clientScheme(request, url);
  const location = `${proto}://${url.host}${rawPath}${searchWithoutToken(url)}`;
  const headers = new Headers({ Location: location, 'Cache-Control': 'no-store' });
  if (cookie !== null) headers.set('Set-Cookie', tokenCookie(cookie, proto === 'https'));
  return new Response(null, { status: 303, headers });
}

/** The query of a redirect: a Location is kept by browsers, proxies and logs. */
export function searchWithoutToken(url: URL): string {
  if (!url.searchParams.has('api_token')) return url.search;
  const query = new URLSearchParams(url.search);
  query.delete('api_token');
  return query.size === 0 ? '' : `?${query}`;
}
