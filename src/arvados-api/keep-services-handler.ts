import type { RequestContext } from '../http/context.ts';
import type { Row } from '../records/columns.ts';
import { INFIX } from '../records/ids.ts';
import { answer, listOf } from './answer.ts';
import type { EmbeddedApi } from './call.ts';

const HTTPS_PORT = 443;
const HTTP_PORT = 80;
const ALL = 100;

/**
 * What clients write to and read from: this service, as the cluster's proxy, at the address under which it was asked
 * (keep-web.md 10.4). Answers without a token, like upstream.
 */
export function accessibleServices(context: RequestContext, { facts }: EmbeddedApi): Response {
  const items = [ownService(context.url, facts.clusterId)];
  return answer(listOf('arvados#keepService', { items, offset: 0, limit: ALL, items_available: items.length }));
}

/** 15 letters and digits at the end: every client computes the same probe order from them (T22). */
export function ownService(url: URL, clusterId: string): Row {
  const https = url.protocol === 'https:';
  return {
    kind: 'arvados#keepService',
    uuid: `${clusterId}-${INFIX.keepService}-keepedge0000000`,
    service_host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
    service_port: Number(url.port) || (https ? HTTPS_PORT : HTTP_PORT),
    service_ssl_flag: https,
    service_type: 'proxy',
    read_only: false,
  };
}
