import { type RequestContext, rawPath } from '../../http/context.ts';
import { KeepError } from '../../keep/errors.ts';
import type { ClusterApi } from './call.ts';

/** Headers of one connection, in requests and answers (RFC 9110, section 7.6.1, and what preceded it). */
const HOP_BY_HOP = [
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authentication-info',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
];
/** Of this host, or credentials that are not for the API server: a browser adds them by itself. */
const NOT_FOR_CLUSTER = [...HOP_BY_HOP, 'host', 'expect', 'cookie', 'cookie2', 'referer'];
/** Would be this host's: the API server sets cookies and browser policies for its own. */
const NOT_FOR_CLIENT = [
  ...HOP_BY_HOP,
  'set-cookie',
  'set-cookie2',
  'clear-site-data',
  'strict-transport-security',
  'alt-svc',
];
/** What Cloudflare tells a Worker, the login of Cloudflare Access included. */
const PLATFORM_PREFIX = 'cf-';

/**
 * Forwards a request to the cluster's API server unchanged, token included, or refuses it and names that server.
 * @throws KeepError not_found when forwarding is off, bad_request for a path that would leave the API, bad_gateway when
 *   the API server cannot be reached
 */
export async function forwardToCluster(context: RequestContext, { apiUrl, forward }: ClusterApi): Promise<Response> {
  if (!forward)
    throw new KeepError('not_found', { message: `Path not found: the API of this cluster is at ${apiUrl}` });
  const { request, url, signal, requestId } = context;
  const target = `${apiUrl}${forwardedPath(context)}${url.search}`;
  const headers = without(request.headers, NOT_FOR_CLUSTER);
  // A browser sends HTTP Basic by itself, like a cookie, and the API server takes its password for a token.
  if (/^basic\b/i.test(headers.get('Authorization') ?? '')) headers.delete('Authorization');
  for (const name of [...headers.keys()]) if (name.startsWith(PLATFORM_PREFIX)) headers.delete(name);
  headers.set('X-Request-Id', requestId);
  headers.set('X-Forwarded-Host', url.host);
  headers.set('X-Forwarded-Proto', url.protocol.slice(0, -1));
  try {
    const response = await fetch(target, {
      method: request.method,
      headers,
      body: request.body,
      redirect: 'manual',
      signal,
    });
    const { status, statusText } = response;
    return new Response(response.body, { status, statusText, headers: without(response.headers, NOT_FOR_CLIENT) });
  } catch (cause) {
    throw new KeepError('bad_gateway', { message: "the cluster's API server cannot be reached", cause });
  }
}

/**
 * The path as sent. URL parsers take a backslash for a slash and remove line breaks and tabs, so that dot segments
 * between them would lead out of the API.
 */
function forwardedPath({ request, path }: RequestContext): string {
  const leaves = path.split(/[/\\]/).some((segment) => segment.includes('.') && /^[\s.]+$/.test(segment));
  if (leaves || /[\t\r\n\0]/.test(path)) throw new KeepError('bad_request', { message: 'the path is not valid' });
  return rawPath(request.url).replaceAll('\\', '%5C');
}

/** A copy without these headers, and without those that the Connection header names. */
function without(headers: Headers, names: readonly string[]): Headers {
  const copy = new Headers(headers);
  const listed = (headers.get('Connection') ?? '').split(',').map((name) => name.trim());
  for (const name of [...names, ...listed.filter((text) => /^[!#$%&'*+.^_`|~\w-]+$/.test(text))]) copy.delete(name);
  return copy;
}
