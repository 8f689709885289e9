import type { RequestContext } from '../../http/context.ts';
import { type Gauge, renderMetrics } from '../../http/metrics.ts';
import { KeepError } from '../../keep/errors.ts';
import { isToken } from '../../keep/token.ts';

export interface OperationsParts {
  config: { managementToken: string | null };
  /** Durable figures, read at the time of asking. */
  gauges: () => Promise<Gauge[]>;
}

/** Only the exact form `Authorization: Bearer <management token>` will do (keep-block-api.md 3.3). */
export function ping({ request, method }: RequestContext, { config }: OperationsParts): Response {
  const headers = { Allow: 'GET, OPTIONS' };
  if (method === 'OPTIONS') return new Response(null, { headers });
  if (method !== 'GET') throw new KeepError('method_not_allowed', { headers });
  const header = request.headers.get('Authorization');
  if (config.managementToken === null)
    throw new KeepError('not_found', { message: 'disabled: MANAGEMENT_TOKEN is not set' });
  if (header === null) throw new KeepError('unauthorized', { message: 'authorization required' });
  if (!isToken(header, `Bearer ${config.managementToken}`))
    throw new KeepError('forbidden', { message: 'authorization error' });
  return new Response('{"health":"OK"}\n', { headers: { 'Content-Type': 'application/json' } });
}

/** Prometheus text. Closed, not open, when there is no management token (T25). */
export async function metrics({ tokens }: RequestContext, { config, gauges }: OperationsParts): Promise<Response> {
  const { managementToken } = config;
  if (tokens.length === 0) throw new KeepError('unauthorized');
  if (managementToken === null || !tokens.some((token) => isToken(token, managementToken)))
    throw new KeepError('forbidden');
  return new Response(renderMetrics(await gauges()), { headers: { 'Content-Type': 'text/plain; version=0.0.4' } });
}
