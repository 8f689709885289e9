import { blockOpener } from '../../files/block-opener.ts';
import { contentResponse } from '../../files/content-response.ts';
import { logDownload } from '../../files/download-log.ts';
import { mayDownload } from '../../files/download-permission.ts';
import { fileParts } from '../../files/file-parts.ts';
import { asStored } from '../../files/stored-headers.ts';
import { encodeWords } from '../../http/encoded-words.ts';
import { isEndpointHost } from './address.ts';
import type { S3Call } from './call.ts';
import { S3Error } from './errors.ts';
import { type FoundObject, findObject } from './object.ts';
import { CONTROL } from './object-metadata.ts';

/** Headers of the answer that a signed query may replace. */
const REPLACEABLE = [
  'cache-control',
  'content-disposition',
  'content-encoding',
  'content-language',
  'content-type',
  'expires',
];
/** What S3 takes for a range; anything else is not looked at, as on AWS. */
const ONE_RANGE = /^bytes=(\d+-\d*|-\d+)$/;

/** GetObject and HeadObject: conditions, ranges, and the headers that were kept with the object. */
export async function getObject(call: S3Call): Promise<Response> {
  const { context, deps, client, query, address } = call;
  const { type, headers: replaced } = replacedHeaders(call);
  requireCurrent(query);
  const object = await findObject(call, address.key ?? '');
  if (context.method === 'GET' && !(await isAllowed(call))) throw new S3Error('AccessDenied', 'Not permitted');
  const { tree, node, collection } = object;
  const open = blockOpener(context, deps, { token: client.token, collection, tree });
  const range = rangeOf(call, object);
  const { response, done, ...answered } = await contentResponse(withRange(context.request, range), context.signal, {
    size: object.size,
    type: type ?? object.type,
    validators: { etag: object.etag, modified: object.modified },
    headers: { ...objectHeaders(call, object), ...replaced },
    slice: (part) => (object.size === 0 ? [] : fileParts(tree, node, part, open)),
  });
  if (response.status === 412) throw new S3Error('PreconditionFailed');
  if (response.status === 416) throw unsatisfiable(object.size);
  if (response.status === 304) return withoutChecksum(response);
  if (done === null) return response;
  logDownload(context, deps, { collection, token: client.token }, { path: object.path, files: 1, done, ...answered });
  return asStored(response);
}

/** What is known of an object beside its content: `x-amz-meta-*`, and headers that its writer wanted back. */
export function objectHeaders({ context, deps }: S3Call, object: FoundObject): Record<string, string> {
  const { metadata } = object;
  const isUtf8 = readsUtf8(context.request);
  const shown = (text: string) => (isUtf8 && !CONTROL.test(text) ? text : encodeWords(text));
  const values = Object.entries(metadata?.values ?? {}).map(([name, value]) => [`x-amz-meta-${name}`, shown(value)]);
  return {
    'Cache-Control': 'private, no-cache, no-transform',
    'X-Content-Type-Options': 'nosniff',
    ...(isOwnHost(context.request, deps.s3) ? {} : { 'Content-Security-Policy': 'sandbox' }),
    ...titled(metadata?.headers ?? {}),
    ...Object.fromEntries(values),
    ...checksumOf(context.request, object),
  };
}

/**
 * Programs in Go send metadata as UTF-8 and take it as that, and know no encoded words. Others would take the bytes for
 * Latin-1, or refuse the answer.
 */
function readsUtf8({ headers }: Request): boolean {
  return /\b(rclone|aws-sdk-go(-v2)?|minio-go|Go-http-client)\b/i.test(headers.get('User-Agent') ?? '');
}

/** For clients that ask for it; of a range there is none. */
function checksumOf({ headers }: Request, { checksum }: FoundObject): Record<string, string> {
  const isWanted = headers.get('x-amz-checksum-mode')?.toUpperCase() === 'ENABLED' && !headers.has('Range');
  if (!isWanted || !checksum) return {};
  return { [`x-amz-checksum-${checksum.name}`]: checksum.value, 'x-amz-checksum-type': checksum.type };
}

/** boto3 takes an answer with a checksum for content, and fails where there is none. */
function withoutChecksum(response: Response): Response {
  for (const name of [...response.headers.keys()])
    if (name.startsWith('x-amz-checksum-')) response.headers.delete(name);
  return response;
}

/** Pages of users must not act with the cookies of other surfaces, which may be good on every host but S3's own. */
function isOwnHost({ headers }: Request, hosts: S3Call['deps']['s3']): boolean {
  return hosts.endpointHost !== hosts.downloadHost && isEndpointHost(headers.get('Host') ?? '', hosts);
}

/** The same spelling as defaults have, so that they replace them. */
function titled(headers: Record<string, string>): Record<string, string> {
  const title = (name: string) => name.replace(/(^|-)[a-z]/g, (letters) => letters.toUpperCase());
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [title(name), value]));
}

/** @throws S3Error InvalidRequest without a signature: the address would make the service say anything */
function replacedHeaders({ query, signed }: S3Call): { type?: string; headers: Record<string, string> } {
  const replaced = REPLACEABLE.flatMap((name) => {
    const value = query.get(`response-${name}`);
    return value === null ? [] : [[name, value] as const];
  });
  if (replaced.length === 0) return { headers: {} };
  if (signed === null)
    throw new S3Error('InvalidRequest', 'response-* parameters cannot be used in requests that are not signed');
  if (replaced.some(([, value]) => /[^\t\x20-\x7e]/.test(value)))
    throw new S3Error('InvalidArgument', 'response-* parameters are values of headers: plain ASCII');
  const { 'content-type': type, ...others } = Object.fromEntries(replaced);
  return { ...(type === undefined ? {} : { type }), headers: titled(others) };
}

/** There are no versions of single objects: all of them are "null". */
export function requireCurrent(query: URLSearchParams): void {
  const version = query.get('versionId');
  if (version !== null && version !== '' && version !== 'null') throw new S3Error('NoSuchVersion');
}

/** The range to answer, as a Range header; null for the whole. */
function rangeOf({ context, query }: S3Call, { size }: FoundObject): string | null {
  const header = context.request.headers.get('Range');
  const part = query.get('partNumber');
  if (part !== null) {
    if (!/^\d{1,5}$/.test(part) || Number(part) < 1 || Number(part) > 10_000)
      throw new S3Error('InvalidArgument', 'Part number must be an integer between 1 and 10000, inclusive');
    if (header !== null)
      throw new S3Error('InvalidRequest', 'a request asks for a Range or for a partNumber, not both');
    if (part !== '1') throw unsatisfiable(size, 'The requested partnumber is not satisfiable');
    return size === 0 ? null : 'bytes=0-';
  }
  if (header === null || !ONE_RANGE.test(header.trim())) return null;
  const [, first = '', last = ''] = /^bytes=(\d*)-(\d*)$/.exec(header.trim()) ?? [];
  if (first !== '' && last !== '' && Number(last) < Number(first)) return null;
  if (size === 0) throw unsatisfiable(size);
  return header.trim();
}

/** ETags of S3 have no spaces, commas or quotes inside; times, which If-Range may have, do. */
function quotedTags(condition: string): string {
  return condition.replace(/(^|,)[ \t]*([0-9A-Za-z+/=._-]+)[ \t]*(?=,|$)/g, '$1"$2"');
}

function unsatisfiable(size: number, message?: string): S3Error {
  return new S3Error('InvalidRange', message, { headers: { 'Content-Range': `bytes */${size}` } });
}

/** The request as far as conditions and ranges go. Clients of S3 send ETags with quotes and without. */
function withRange({ method, headers: sent }: Request, range: string | null): Pick<Request, 'method' | 'headers'> {
  const headers = new Headers(sent);
  for (const name of ['If-Match', 'If-None-Match', 'If-Range']) {
    const condition = headers.get(name);
    if (condition !== null) headers.set(name, quotedTags(condition));
  }
  headers.delete('Range');
  if (range !== null) headers.set('Range', range);
  return { method, headers };
}

/** WEBDAV_PERMISSION can forbid users, or admins, to download content. Names and sizes stay visible. */
function isAllowed({ deps, client: { user, account } }: S3Call): Promise<boolean> {
  const who = user && { isAdmin: user.isAdmin, isScoped: !account.scopes.includes('all') };
  return mayDownload(deps, () => Promise.resolve(who));
}
