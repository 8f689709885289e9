import { HOST_COOKIE, TOKEN_COOKIE } from '../keep/token.ts';
import type { RequestContext } from './context.ts';

/** Cookies that keep a visitor signed in. Scripts cannot read them, and other sites' forms do not send them. */
const ATTRIBUTES = 'Path=/; HttpOnly; SameSite=Lax';
/** Says that the token in the other cookie was made when its holder signed in, and ends when they sign out. */
const MADE_HERE_COOKIE = 'keep_edge_session';
export const MADE_HERE = `${MADE_HERE_COOKIE}=1; ${ATTRIBUTES}`;

/** The scheme that the client used, whatever stands between it and this service. */
export function clientScheme(request: Request, url: URL): string {
  const forwarded = request.headers.get('X-Forwarded-Proto');
  return forwarded === 'https' || forwarded === 'http' ? forwarded : url.protocol.replace(':', '');
}

/** The cookie that holds a token. @param secure whether the client used https */
export function tokenCookie(token: string, secure: boolean): string {
  const bytes = new TextEncoder().encode(token.trim());
  const value = btoa(String.fromCharCode(...bytes))
    .replaceAll('+', '-')
    .replaceAll('/', '_');
  return secure ? `${HOST_COOKIE}=${value}; ${ATTRIBUTES}; Secure` : `${TOKEN_COOKIE}=${value}; ${ATTRIBUTES}`;
}

/** For who signs in anew: the token, and that nothing is known of where it was made. */
export function sessionCookies({ request, url }: RequestContext, token: string): string[] {
  return [`${MADE_HERE_COOKIE}=; ${ATTRIBUTES}; Max-Age=0`, tokenCookie(token, clientScheme(request, url) === 'https')];
}

export function clearedCookies(): string[] {
  return [
    `${HOST_COOKIE}=; ${ATTRIBUTES}; Secure; Max-Age=0`,
    `${TOKEN_COOKIE}=; ${ATTRIBUTES}; Max-Age=0`,
    `${MADE_HERE_COOKIE}=; ${ATTRIBUTES}; Max-Age=0`,
  ];
}

export function wasMadeHere({ headers }: Request): boolean {
  return new RegExp(`(^|;\\s*)${MADE_HERE_COOKIE}=1(;|$)`).test(headers.get('Cookie') ?? '');
}
