import { equalInConstantTime } from './constant-time.ts';
import { KeepError } from './errors.ts';
import { hmacSha1Hex } from './hmac-sha1.ts';

/** The part of a Request that carries credentials. */
export interface TokenBearer {
  headers: { get(name: string): string | null };
  url: string;
}

/** A token's parts. A v1 token is a bare secret: no uuid. `container` is a v2 token's optional last part. */
export interface TokenParts {
  uuid: string | null;
  secret: string;
  container: string | null;
}

const BEARER = /^(?:Bearer|OAuth2) (.*)$/s;
const BASIC = /^basic (.*)$/is;
/** The first one can only be set by the very host that gets it, over https: not by a page of a sibling host. It counts alone. */
export const HOST_COOKIE = '__Host-arvados_api_token';
export const TOKEN_COOKIE = 'arvados_api_token';
/** Arvados' own have some hundred at most; the access tokens of an OpenID provider, which it also accepts, a few thousand. */
const MAX_TOKEN_CHARS = 8192;
const MAX_TOKENS = 8;
const SALTED_SECRET_LENGTH = 40;
const OBSOLETE_TOKEN = /^[0-9a-z]{41,}$/;

/**
 * Every token of a request in keepstore's order: Authorization, `api_token` parameters, the cookie. For block reads only
 * the first one counts; on admin routes any may match. An empty `api_token` or Basic password counts as a token and
 * stays in the list as ''.
 * @param count whether the credentials count that a browser sends by itself, also with requests that a page of another
 *   site makes it send: the cookie and HTTP Basic
 * @throws KeepError bad_request for more than MAX_TOKENS
 */
export function requestTokens({ headers, url }: TokenBearer, count = { ambient: true }): string[] {
  const tokens: string[] = [];
  const authorization = headers.get('Authorization');
  if (authorization !== null) {
    const token = bearerToken(authorization) ?? (count.ambient ? basicPassword(authorization) : null);
    if (token !== null) tokens.push(token);
  }
  const query = url.indexOf('?');
  if (query >= 0) {
    const given = new URLSearchParams(withoutFragment(url.slice(query))).getAll('api_token');
    requireFewTokens(given);
    tokens.push(...given);
  }
  const cookie = count.ambient ? tokenCookie(headers.get('Cookie')) : null;
  if (cookie !== null) tokens.push(cookie);
  return tokens.map(boundedToken);
}

/**
 * A token of any client as it may be looked up and kept; '' in place of one that no authority could have made. Forms and
 * addresses carry megabytes.
 */
export function boundedToken(token: string): string {
  return token.length > MAX_TOKEN_CHARS ? '' : token;
}

/**
 * Each candidate may cost a database query, so that a request has no more than a handful.
 * @throws KeepError bad_request
 */
export function requireFewTokens(candidates: readonly string[]): void {
  if (candidates.length > MAX_TOKENS)
    throw new KeepError('bad_request', { message: `a request has at most ${MAX_TOKENS} api_token parameters` });
}

/** Splits a token. Anything that is not `v2/uuid/secret` is a v1 token: the whole text is its secret. */
export function parseToken(text: string): TokenParts {
  const [version, uuid, secret, ...rest] = text.split('/');
  if (version !== 'v2' || uuid === undefined || secret === undefined) {
    return { uuid: null, secret: text, container: null };
  }
  return { uuid, secret, container: rest.length > 0 ? rest.join('/') : null };
}

/**
 * The token to send to another cluster: its secret is replaced by an HMAC that only that cluster accepts. A token that
 * the other cluster issued itself is sent unchanged.
 * @throws KeepError obsolete_token for a v1 token, bad_request for one that is not a token or already salted
 */
export function saltToken(token: string, clusterId: string): string {
  const { uuid, secret } = parseToken(token);
  if (uuid === null) {
    if (OBSOLETE_TOKEN.test(token)) throw new KeepError('obsolete_token');
    throw new KeepError('bad_request', { message: 'the token is not well-formed: use a v2 token' });
  }
  if (uuid.startsWith(clusterId)) return token;
  if (secret.length === SALTED_SECRET_LENGTH) {
    throw new KeepError('bad_request', {
      message: 'the token is already salted for another cluster: use the original',
    });
  }
  return `v2/${uuid}/${hmacSha1Hex(secret, clusterId)}`;
}

/** Whether a presented token is the secret one, compared in constant time. An empty secret never matches. */
export function isToken(candidate: string, secret: string): boolean {
  return secret !== '' && equalInConstantTime(candidate, secret);
}

function bearerToken(authorization: string): string | null {
  const token = BEARER.exec(authorization)?.[1]?.trim();
  return token === undefined || token === '' ? null : token;
}

function basicPassword(authorization: string): string | null {
  const credentials = decodeBase64(BASIC.exec(authorization)?.[1] ?? '');
  const colon = credentials?.indexOf(':') ?? -1;
  return credentials === null || colon < 0 ? null : credentials.slice(colon + 1);
}

function tokenCookie(header: string | null): string | null {
  if (header === null) return null;
  const pairs = header.split(';').map((pair) => pair.trim());
  const pair =
    pairs.find((text) => text.startsWith(`${HOST_COOKIE}=`)) ??
    pairs.find((text) => text.startsWith(`${TOKEN_COOKIE}=`));
  const encoded = pair?.slice(pair.indexOf('=') + 1).replace(/^"(.*)"$/, '$1') ?? '';
  return encoded === '' ? null : decodeBase64(encoded.replaceAll('-', '+').replaceAll('_', '/'));
}

function decodeBase64(text: string): string | null {
  try {
    return new TextDecoder().decode(Uint8Array.from(atob(text), (char) => char.charCodeAt(0)));
  } catch {
    return null;
  }
}

function withoutFragment(text: string): string {
  const hash = text.indexOf('#');
  return hash < 0 ? text : text.slice(0, hash);
}
