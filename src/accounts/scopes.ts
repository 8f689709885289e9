/** Every valid token may read its own record. */
const ALWAYS_ALLOWED = 'GET /arvados/v1/api_client_authorizations/current';

/**
 * Whether a token's scopes allow a request. The request's text is its method, a space and its path without a trailing
 * slash. A scope allows it when it is `all`, equals the text, or ends in a slash and is a prefix of the text. HEAD passes where
 * GET does, and an update of a record counts as PATCH whichever way it was sent.
 * @param path percent-decoded, without query
 */
export function scopesAllow(scopes: readonly string[], method: string, path: string): boolean {
  return requestTexts(method, path).some(
    (text) =>
      text === ALWAYS_ALLOWED ||
      scopes.some((scope) => scope === 'all' || scope === text || (scope.endsWith('/') && text.startsWith(scope))),
  );
}

/**
 * Whether every request that a new token's scope would allow is allowed by one of the token that gives it out: `all`, the
 * same scope, or a prefix of it that ends in a slash.
 */
export function scopeIsCovered(scope: string, own: readonly string[]): boolean {
  return own.some((held) => held === 'all' || held === scope || (held.endsWith('/') && scope.startsWith(held)));
}

function requestTexts(method: string, path: string): string[] {
  const trimmed = path.length > 1 && path.endsWith('/') ? path.slice(0, -1) : path;
  if (method === 'HEAD') return [`HEAD ${trimmed}`, `GET ${trimmed}`];
  // `PUT /` is for blocks and files.
  if (method === 'PUT' && /^\/(?:arvados|keep-edge)\//.test(trimmed)) return [`PATCH ${trimmed}`];
  return [`${method} ${trimmed}`];
}
