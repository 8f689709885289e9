import { noteOwnHost } from '../blocks/cache-keys.ts';
import type { AnonymousEgress } from '../http/anonymous-egress.ts';
import { createContext, type RequestContext, requireAdmitted } from '../http/context.ts';
import { BLOCK_CORS, DOWNLOAD_CORS } from '../http/cors.ts';
import { textError } from '../http/error-response.ts';
import { createRouteTable, type Route } from '../http/route-table.ts';
import { idOfHost } from '../keep/collection-ids.ts';
import { isKeepError, KeepError } from '../keep/errors.ts';
import { ASSETS_PATH } from '../pages/html-page.ts';
import { arvadosApi } from '../surfaces/arvados/api.ts';
import { ga4gh } from '../surfaces/ga4gh/ga4gh.ts';
import { download, preflight } from '../surfaces/keep-web/handler.ts';
import { proxyGet } from '../surfaces/keepproxy/get.ts';
import { proxyIndex } from '../surfaces/keepproxy/index-lists.ts';
import type { KeepProxy } from '../surfaces/keepproxy/proxy.ts';
import { proxyPost, proxyPut } from '../surfaces/keepproxy/put.ts';
import { getBlock } from '../surfaces/keepstore/get.ts';
import { index, mountIndex, mountList, touch, trash, untrash } from '../surfaces/keepstore/lifecycle.ts';
import { metrics, ping } from '../surfaces/keepstore/operations.ts';
import { postBlock, putBlock } from '../surfaces/keepstore/put.ts';
import { listStatus, replaceList } from '../surfaces/keepstore/queue-lists.ts';
import { operator } from '../surfaces/operator/operator.ts';
import { isS3 } from '../surfaces/s3/address.ts';
import { s3 } from '../surfaces/s3/handler.ts';
import { s3KeyPair } from '../surfaces/s3/key-pair.ts';
import type { CallService } from '../surfaces/workspace/dependencies.ts';
import { isHome } from '../surfaces/workspace/hosts.ts';
import { asset, workspace } from '../surfaces/workspace/workspace.ts';
import type { Dependencies } from './composition.ts';

type ProxyDependencies = Dependencies & { proxy: KeepProxy };
type Handler = (context: RequestContext, deps: Dependencies) => Response | Promise<Response>;

const HASH = '[0-9a-f]{32}';

/** Every route there is, first match wins. Paths are matched after percent-decoding, slashes as sent. */
const ROUTES: Route<[RequestContext, Dependencies]>[] = [
  // Operations: ahead of everything, without CORS.
  ['ALL', /^\/_health\/ping$/, plain(ping)],
  ['GET HEAD', /^\/metrics$/, plain(metrics)],
  ['POST', /^\/keep-edge\/v1\/s3-key$/, plain(s3Key)],
  ['GET POST PUT DELETE', /^\/keep-edge\/v1\/.*$/s, plain(operator)],

  // The Arvados API, or forwarding to the cluster's: surfaces/arvados/api.ts lists its routes, because a request may
  // override its method.
  ['ALL', /^\/(arvados|discovery)\/v1(\/.*)?$/s, arvadosApi],

  // DRS and htsget: surfaces/ga4gh/ga4gh.ts lists their routes.
  ['ALL', /^\/ga4gh\/.*$/s, genomes],

  // keep-web's addresses (docs/protocol/files.md#addresses). A collection's own host has no others.
  ['GET HEAD PROPFIND', /^\/$/, root],
  ['OPTIONS', /^\/$/, rootOptions],

  // Pages for people.
  ['ALL', /^\/workspace(\/.*)?$/s, pages],
  ['GET HEAD', /^\/\.keep-edge\/assets\/.*$/s, plain((context, { workspace }) => asset(context, workspace))],

  ['ALL', /^\/+(c=[^/]*|by_id|users|collections)(\/.*)?$/s, downloads],

  // keepstore's routes (docs/protocol/blocks.md#routes) and keepproxy's POST.
  ['GET HEAD', new RegExp(`^//?${HASH}.*$`, 's'), block(counted(volumesOr(proxyGet, vary(getBlock))))],
  ['PUT', new RegExp(`^/${HASH}.*$`, 's'), block(volumesOr(proxyPut, putBlock))],
  ['POST', /^\/$/, block(volumesOr(proxyPost, postBlock))],
  ['POST', new RegExp(`^/${HASH}.*$`, 's'), block(override('TOUCH', touch))],
  ['DELETE', new RegExp(`^/${HASH}.*$`, 's'), block(trash)],
  ['PUT', new RegExp(`^/untrash/${HASH}.*$`, 's'), block(untrash)],
  ['GET HEAD', /^\/index(\/[0-9a-f]{0,32})?$/, block(volumesOr(proxyIndex, index))],
  ['GET HEAD', /^\/mounts$/, block(mountList)],
  ['GET HEAD', /^\/mounts\/[^/]+\/blocks(\/[0-9a-f]{0,32})?$/, block(mountIndex)],

  ['PUT', /^\/pull$/, block((context, deps) => replaceList('pull', context, deps))],
  ['PUT', /^\/trash$/, block((context, deps) => replaceList('trash', context, deps))],
  ['GET', /^\/pull$/, block((context, deps) => listStatus('pull', context, deps))],
  ['GET', /^\/trash$/, block((context, deps) => listStatus('trash', context, deps))],

  ['OPTIONS', /.*/s, block(() => new Response(null))],

  ['GET HEAD', /^\/robots\.txt$/, plain(robots)],
  // A path that is none of the service's, such as /favicon.ico.
  ['GET HEAD', /^\/+(?!([0-9a-f]+(\+.*)?|index|mounts|pull|trash|untrash)(\/|$))[^/].*$/s, plain(unknownPath)],
  // Anything else, a known path with the wrong method included, is 400 as on a keepstore.
  ['ALL', /.*/s, block(() => Promise.reject(new KeepError('bad_request')))],
];

const dispatch = createRouteTable(ROUTES);

/** Answers a request. Errors become answers here: nothing is thrown. */
export async function route(context: RequestContext, deps: Dependencies): Promise<Response> {
  const { limits } = deps;
  if (limits === null) return routeAdmitted(context, deps);
  try {
    context.admission = await limits.admit(context, isForS3(context, deps));
  } catch (error) {
    context.refusal = error;
  }
  const response = await routeAdmitted(context, deps);
  if (context.hadWrongToken || isKeepError(context.error, 'unauthorized'))
    context.waitUntil(limits.noteWrongToken(context));
  return response;
}

function isForS3(context: RequestContext, { s3 }: Dependencies): boolean {
  return s3 !== null && isS3(context, s3.s3);
}

async function routeAdmitted(context: RequestContext, deps: Dependencies): Promise<Response> {
  // Ahead of all others: a portable data hash as a bucket looks like a block.
  if (deps.s3 !== null && isS3(context, deps.s3.s3)) {
    context.surface = 's3';
    return s3(context, deps.s3);
  }
  // The URL parser would fold dot segments into other paths. A single dot means nothing (Go clients send it).
  if (/(^|\/)\.\.(\/|$)/.test(context.path)) return textError(new KeepError('bad_request'));
  if (idOfHost(context.request.headers.get('Host') ?? '') !== null) return ofCollection(context, deps);
  noteOwnHost(context.request.headers);
  const response = await dispatch(context.method, withoutDots(context.path), context, deps);
  return response ?? textError(new KeepError('bad_request'));
}

/** A host of a collection's own: its files, and the scripts of the pages about them. */
function ofCollection(context: RequestContext, deps: Dependencies): Response | Promise<Response> {
  const isAsset = context.path.startsWith(ASSETS_PATH) && ['GET', 'HEAD'].includes(context.method);
  return isAsset ? asset(context, deps.workspace) : downloads(context, deps);
}

/** `/` is the start page for browsers, where cookies count, and a directory for programs. */
function root(context: RequestContext, deps: Dependencies): Response | Promise<Response> {
  const { request, method, url } = context;
  const { settings } = deps.workspace;
  const isBrowser = method !== 'PROPFIND' && (request.headers.get('Accept') ?? '').includes('text/html');
  if (!isBrowser || deps.downloads === null) return downloads(context, deps);
  if (isHome(url.host, settings)) return pages(context, deps);
  if (settings.downloadUrl === null) return downloads(context, deps);
  return new Response(null, { status: 303, headers: { Location: `${settings.downloadUrl}/` } });
}

/** Pages of the workspace, on a host where no file of a collection is shown as a page. */
async function pages(context: RequestContext, deps: Dependencies): Promise<Response> {
  context.surface = 'pages';
  const { settings } = deps.workspace;
  if (isHome(context.url.host, settings)) return workspace(context, deps.workspace, serviceOf(context, deps));
  if (settings.downloadUrl === null || context.method !== 'GET') return unknownPath();
  return new Response(null, { status: 303, headers: { Location: settings.downloadUrl + context.path } });
}

/** Other addresses of this service, for pages: they are asked for JSON where there is a choice. */
function serviceOf(context: RequestContext, deps: Dependencies): CallService {
  return (token, path, put) => {
    const headers = {
      Authorization: `Bearer ${token}`,
      Accept: 'application/json',
      'X-Request-Id': context.requestId,
      Host: context.url.host,
    };
    const body = JSON.stringify(put);
    const request = new Request(new URL(path, context.url), {
      headers: put === undefined ? headers : { ...headers, 'Content-Length': String(body.length) },
      ...(put === undefined ? {} : { method: 'PUT', body }),
    });
    return routeAdmitted(createContext(request, context.waitUntil), deps);
  };
}

function withoutDots(path: string): string {
  return path.includes('/.') ? path.replace(/(\/\.)+(?=\/|$)/g, '') || '/' : path;
}

function s3Key(context: RequestContext, deps: Dependencies): Promise<Response> {
  if (deps.s3 === null) throw new KeepError('not_configured');
  return s3KeyPair(context, deps.s3);
}

/** Crawlers would walk every listing. wget obeys this file too, and is a client that people are told to use. */
function robots(): Response {
  return new Response('User-agent: wget\nDisallow:\n\nUser-agent: *\nDisallow: /\n', {
    headers: { 'Content-Type': 'text/plain; charset=utf-8', 'Cache-Control': 'public, max-age=86400' },
  });
}

function unknownPath(): Response {
  return textError(new KeepError('not_found', { message: 'Not Found' }));
}

/** An operator's route: errors as text, nothing else. */
function plain(handler: Handler): Handler {
  return (context, deps) => attempt(handler, context, deps);
}

/** A block service's route: errors as text, CORS headers on every answer. */
function block(handler: Handler): Handler {
  return async (context, deps) => withHeaders(await attempt(handler, context, deps, forKeepClients), BLOCK_CORS);
}

/** Keep's clients ask again after a 503, and give up at a 429. */
function forKeepClients(error: unknown): Response {
  if (!isKeepError(error, 'too_many_requests')) return textError(error);
  return textError(new KeepError('slow_down', { message: error.message, headers: error.headers }));
}

/** A block for a reader without an account is part of what may go out in a day. */
function counted(handler: Handler): Handler {
  const metered = async (context: RequestContext, deps: Dependencies, egress: AnonymousEgress): Promise<Response> => {
    if (!(await isAnonymous(context, deps))) return handler(context, deps);
    await egress.spend(0);
    const response = await handler(context, deps);
    if (response.status !== 200) return response;
    try {
      await egress.spend(Number(response.headers.get('Content-Length') ?? 0));
      return response;
    } catch (error) {
      await response.body?.cancel();
      throw error;
    }
  };
  return (context, deps) =>
    deps.egress === null || context.method !== 'GET' ? handler(context, deps) : metered(context, deps, deps.egress);
}

/** Signatures are made for one token, so that a wrong one opens nothing unless they are off. */
async function isAnonymous({ tokens, signal }: RequestContext, deps: Dependencies): Promise<boolean> {
  const [token = ''] = tokens;
  if (token === '' || deps.isPublicToken(token)) return true;
  return !deps.config.blobSigning && (await deps.authority.identify(token, signal).catch(() => null)) === null;
}

/** A download address: errors as text, readable by scripts of any site that brings its own token. */
async function downloads(context: RequestContext, deps: Dependencies): Promise<Response> {
  const handle: Handler = () => {
    if (context.request.headers.has('Access-Control-Request-Method')) return preflight(context.request);
    if (deps.downloads === null) throw new KeepError('not_configured');
    return download(context, deps.downloads);
  };
  const response = withHeaders(await attempt(handle, context, deps), DOWNLOAD_CORS);
  // An address may hold a token, which no other site is told.
  if (!response.headers.has('Referrer-Policy')) response.headers.set('Referrer-Policy', 'no-referrer');
  if (isOwnPagesOnly(context)) response.headers.set('Cross-Origin-Resource-Policy', 'same-origin');
  return response;
}

/**
 * Whether only pages of this origin may embed the answer: on a collection's own host, and wherever a cookie opens what
 * the visitor may read (collections' hosts are one site, so that cookies travel between them).
 */
function isOwnPagesOnly({ request }: RequestContext): boolean {
  return idOfHost(request.headers.get('Host') ?? '') !== null || request.headers.has('Cookie');
}

/** Errors and CORS headers as the standards want them. */
async function genomes(context: RequestContext, deps: Dependencies): Promise<Response> {
  return deps.ga4gh === null ? textError(new KeepError('not_configured')) : ga4gh(context, deps.ga4gh);
}

/** OPTIONS / from a WebDAV client asks for WebDAV; as a browser's preflight it asks whether a script may POST a block. */
function rootOptions(context: RequestContext, deps: Dependencies): Response | Promise<Response> {
  if (!context.request.headers.has('Access-Control-Request-Method')) return downloads(context, deps);
  return withHeaders(new Response(null), BLOCK_CORS);
}

/** Without volumes of its own the service is a proxy of the cluster's keepstores. */
function volumesOr(
  proxied: (context: RequestContext, deps: ProxyDependencies) => Promise<Response>,
  own: Handler,
): Handler {
  return (context, deps) => {
    const { proxy } = deps;
    return proxy === null ? own(context, deps) : proxied(context, { ...deps, proxy });
  };
}

/** On errors too, as in keepstore: the handler's own answers have it. */
function vary(handler: Handler): Handler {
  const answerOf = (error: unknown) => withHeaders(forKeepClients(error), { Vary: 'X-Keep-Signature' });
  return (context, deps) => attempt(handler, context, deps, answerOf);
}

/** A method that the runtime refuses, asked for through POST. */
function override(method: string, handler: Handler): Handler {
  return (context, deps) => {
    if (context.request.headers.get('X-HTTP-Method-Override') !== method) throw new KeepError('bad_request');
    return handler(context, deps);
  };
}

async function attempt(
  handler: Handler,
  context: RequestContext,
  deps: Dependencies,
  answerOf: (error: unknown) => Response | Promise<Response> = textError,
): Promise<Response> {
  try {
    requireAdmitted(context);
    return await handler(context, deps);
  } catch (error) {
    context.error = error;
    return answerOf(await shownTo(context, deps, error));
  }
}

/** Admins are told names of buckets and keys too. */
async function shownTo({ tokens }: RequestContext, { authority }: Dependencies, error: unknown): Promise<unknown> {
  if (!isKeepError(error) || error.details === null) return error;
  const account = await authority.identify(tokens[0] ?? '').catch(() => null);
  if (account?.user?.isAdmin !== true || !account.scopes.includes('all')) return error;
  return new KeepError(error.code, { message: error.details, headers: error.headers });
}

/** Adds headers, unless the handler has already (a hot handler sets all its headers at once). */
function withHeaders(response: Response, headers: Record<string, string>): Response {
  const [first] = Object.keys(headers);
  if (first !== undefined && response.headers.has(first)) return response;
  for (const [name, value] of Object.entries(headers)) response.headers.set(name, value);
  return response;
}
