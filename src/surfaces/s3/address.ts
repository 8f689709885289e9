import type { RequestContext } from '../../http/context.ts';
import { idOfHost } from '../../keep/collection-ids.ts';

/** What a request names, from its text alone. Null: nothing, the list of buckets; a bucket as a whole. */
export interface S3Address {
  bucket: string | null;
  /** Percent-decoded once, slashes as sent, without a leading one. Never ''. */
  key: string | null;
}

export interface S3Hosts {
  /** Host (and port) of S3_ENDPOINT: all requests there are S3's, and its subdomains are buckets. Null: none is set. */
  endpointHost: string | null;
}

const ID_PATH = /^\/[0-9a-z]{5}-(4zz18|j7d0g)-[0-9a-z]{15}(\/|$)/;
const FORM = /^\s*multipart\/form-data/i;
/** First components of paths that are other surfaces' own. */
const OTHERS =
  /^\/+(_health|metrics|keep-edge|arvados|discovery|ga4gh|by_id|users|collections|index|mounts|pull|trash|untrash|c=[^/]*|[0-9a-f]{32}[^/]*)?(\/|$)/;

/**
 * Whether a request is S3's: by its host; by a signature in its header or query; without one, when its path begins with
 * a UUID, which no other surface's does; a browser's form or preflight, when its path is
 * no other surface's.
 */
export function isS3(context: Pick<RequestContext, 'request' | 'method' | 'path'>, hosts: S3Hosts): boolean {
  const { request, method, path } = context;
  const { headers, url } = request;
  const authorization = headers.get('Authorization');
  if (authorization !== null && (authorization.startsWith('AWS4-') || authorization.startsWith('AWS '))) return true;
  const query = url.indexOf('?');
  if (query >= 0 && /[?&](X-Amz-(Algorithm|Signature|Credential)|AWSAccessKeyId)=/.test(url.slice(query))) return true;
  if (isEndpointHost(headers.get('Host') ?? '', hosts)) return true;
  // A token as other surfaces take it is not S3's.
  if (authorization === null && ID_PATH.test(path)) return true;
  const isForm = method === 'POST' && authorization === null && isFormBody(headers);
  const isPreflight = method === 'OPTIONS' && headers.has('Access-Control-Request-Method');
  return (isForm || isPreflight) && !OTHERS.test(path) && idOfHost(headers.get('Host') ?? '') === null;
}

export function isFormBody(headers: Headers): boolean {
  return FORM.test(headers.get('Content-Type') ?? '');
}

/** Bucket and key of a request that is S3's. */
export function s3AddressOf({ request, path }: Pick<RequestContext, 'request' | 'path'>, hosts: S3Hosts): S3Address {
  const host = request.headers.get('Host') ?? '';
  const named = hosts.endpointHost === null ? undefined : bucketOfHost(host, hosts.endpointHost);
  const ofHost = named === undefined ? idOfHost(host) : named;
  if (ofHost !== null) return { bucket: ofHost, key: path.length > 1 ? path.slice(1) : null };
  const slash = path.indexOf('/', 1);
  const bucket = slash < 0 ? path.slice(1) : path.slice(1, slash);
  const key = slash < 0 ? '' : path.slice(slash + 1);
  return { bucket: bucket === '' ? null : bucket, key: key === '' ? null : key };
}

/** Whether a host is S3's alone. */
export function isEndpointHost(host: string, { endpointHost }: S3Hosts): boolean {
  return endpointHost !== null && bucketOfHost(host, endpointHost) !== undefined;
}

/** The bucket before the endpoint's host; null for the endpoint itself, undefined for other hosts. */
function bucketOfHost(host: string, endpoint: string): string | null | undefined {
  const name = normalHost(host);
  const own = normalHost(endpoint);
  if (name === own) return null;
  if (!name.endsWith(`.${own}`)) return undefined;
  const label = name.slice(0, -own.length - 1);
  return idOfHost(label) ?? label;
}

/** Letters of either case, the default ports are no difference. */
function normalHost(host: string): string {
  return host.toLowerCase().replace(/:(80|443)$/, '');
}
