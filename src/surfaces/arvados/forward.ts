import type { RequestContext } from '../../http/context.ts';
import { KeepError } from '../../keep/errors.ts';
import type { ClusterApi } from './call.ts';

/** Headers of one connection, of this host, or that a browser adds by itself. */
const NOT_PASSED_ON = [
  'host',
  'cookie',
  'connection',
  'keep-alive',
  'transfer-encoding',
  'upgrade',
  'cf-connecting-ip',
  'cf-ray',
  'cf-visitor',
];

/**
 * Forwards a request to the cluster's API server unchanged, token included, or refuses it and names that server.
 * @throws KeepError not_found when forwarding is off, bad_gateway when the API server cannot be reached
 */
export async function forwardToCluster(
  { request, url, signal, requestId }: RequestContext,
  { apiUrl, forward }: ClusterApi,
): Promise<Response> {
  if (!forward)
    throw new KeepError('not_found', { message: `Path not found: the API of this cluster is at ${apiUrl}` });
  const headers = new Headers(request.headers);
  for (const name of NOT_PASSED_ON) headers.delete(name);
  headers.set('X-Request-Id', requestId);
  headers.set('X-Forwarded-Host', url.host);
  headers.set('X-Forwarded-Proto', url.protocol.slice(0, -1));
  try {
    const response = await fetch(`${apiUrl}${url.pathname}${url.search}`, {
      method: request.method,
      headers,
      body: request.body,
      redirect: 'manual',
      signal,
    });
    return new Response(response.body, response);
  } catch (cause) {
    throw new KeepError('bad_gateway', { message: "the cluster's API server cannot be reached", cause });
  }
}
