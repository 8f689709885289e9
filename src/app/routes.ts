import { type IRequest, IttyRouter, type RouteEntry } from 'itty-router';
import type { RequestContext } from '../http/context.ts';
import { BLOCK_CORS, DOWNLOAD_CORS } from '../http/cors.ts';
import { textError } from '../http/error-response.ts';
import { KeepError } from '../keep/errors.ts';
import { arvadosApi } from '../surfaces/arvados/api.ts';
import { idOfHost } from '../surfaces/keep-web/address.ts';
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
import type { Parts } from './composition.ts';

type ProxyingParts = Parts & { proxy: KeepProxy };
type Handler = (context: RequestContext, parts: Parts) => Response | Promise<Response>;

const HASH = '[0-9a-f]{32}';

/** Every route there is, first match wins. Paths are matched after percent-decoding, slashes as sent. */
const ROUTES: [methods: string, path: RegExp, handler: Handler][] = [
  // Operations: ahead of everything, without CORS.
  ['ALL', /^\/_health\/ping$/, plain(ping)],
  ['GET HEAD', /^\/metrics$/, plain(metrics)],

  // The Arvados API, or the way to the cluster's: surfaces/arvados/api.ts lists what is in there, because a request may say
  // that its method is another.
  ['ALL', /^\/(arvados|discovery)\/v1(\/.*)?$/s, arvadosApi],

  // keep-web's addresses (keep-web.md 2.2); a collection's own host has no others.
  ['GET HEAD PROPFIND', /^\/$/, downloads],
  ['OPTIONS', /^\/$/, rootOptions],
  ['ALL', /^\/+(c=[^/]*|by_id|users|collections)(\/.*)?$/s, downloads],

  // keepstore's routes (keep-block-api.md 3.2) and keepproxy's POST (6.1).
  ['GET HEAD', new RegExp(`^//?${HASH}.*$`, 's'), block(volumesOr(proxyGet, vary(getBlock)))],
  ['PUT', new RegExp(`^/${HASH}.*$`, 's'), block(volumesOr(proxyPut, putBlock))],
  ['POST', /^\/$/, block(volumesOr(proxyPost, postBlock))],
  ['POST', new RegExp(`^/${HASH}.*$`, 's'), block(override('TOUCH', touch))],
  ['DELETE', new RegExp(`^/${HASH}.*$`, 's'), block(trash)],
  ['PUT', new RegExp(`^/untrash/${HASH}.*$`, 's'), block(untrash)],
  ['GET HEAD', /^\/index(\/[0-9a-f]{0,32})?$/, block(volumesOr(proxyIndex, index))],
  ['GET HEAD', /^\/mounts$/, block(mountList)],
  ['GET HEAD', /^\/mounts\/[^/]+\/blocks(\/[0-9a-f]{0,32})?$/, block(mountIndex)],

  ['PUT', /^\/pull$/, block((context, parts) => replaceList('pull', context, parts))],
  ['PUT', /^\/trash$/, block((context, parts) => replaceList('trash', context, parts))],
  ['GET', /^\/pull$/, block((context, parts) => listStatus('pull', context, parts))],
  ['GET', /^\/trash$/, block((context, parts) => listStatus('trash', context, parts))],

  ['OPTIONS', /.*/s, block(() => new Response(null))],

  // Anything else, a known path with the wrong method included, is 400 on a keepstore (T4).
  ['ALL', /.*/s, block(() => Promise.reject(new KeepError('bad_request')))],
];

const router = IttyRouter({
  routes: ROUTES.flatMap(([methods, path, handler]) =>
    methods
      .split(' ')
      .map(
        (method): RouteEntry => [
          method,
          path,
          [({ context }: IRequest, parts: Parts) => handler(context as RequestContext, parts)],
          path.source,
        ],
      ),
  ),
});

/** Answers a request. Errors become answers here: nothing is thrown. */
export function route(context: RequestContext, parts: Parts): Promise<Response> {
  // The URL parser would fold dot segments into other paths.
  if (/(^|\/)\.\.?(\/|$)/.test(context.path)) return Promise.resolve(textError(new KeepError('bad_request')));
  if (idOfHost(context.request.headers.get('Host') ?? '') !== null) return Promise.resolve(downloads(context, parts));
  const url = `http://route${encodeURI(context.path).replace(/[?#]/g, encodeURIComponent)}`;
  // itty-router only looks at method and url; the request itself travels in the context.
  return router.fetch({ method: context.method, url, context } as unknown as IRequest, parts);
}

/** An operator's route: errors as text, nothing else. */
function plain(handler: Handler): Handler {
  return (context, parts) => attempt(handler, context, parts);
}

/** A block service's route: errors as text, CORS headers on every answer (3.13). */
function block(handler: Handler): Handler {
  return async (context, parts) => withHeaders(await attempt(handler, context, parts), BLOCK_CORS);
}

/** A download address: errors as text, readable by scripts of any site that brings its own token. */
async function downloads(context: RequestContext, parts: Parts): Promise<Response> {
  const handle: Handler = () => {
    if (context.request.headers.has('Access-Control-Request-Method')) return preflight(context.request);
    if (parts.downloads === null) throw new KeepError('not_configured');
    return download(context, parts.downloads);
  };
  return withHeaders(await attempt(handle, context, parts), DOWNLOAD_CORS);
}

/** A file manager asks what WebDAV there is; a browser, before a script's POST of a block, what it may send. */
function rootOptions(context: RequestContext, parts: Parts): Response | Promise<Response> {
  if (!context.request.headers.has('Access-Control-Request-Method')) return downloads(context, parts);
  return withHeaders(new Response(null), BLOCK_CORS);
}

/** Without volumes a cluster's keepstores do the work (keep-block-api.md 6). */
function volumesOr(
  proxied: (context: RequestContext, parts: ProxyingParts) => Promise<Response>,
  own: Handler,
): Handler {
  return (context, parts) => {
    const { proxy } = parts;
    return proxy === null ? own(context, parts) : proxied(context, { ...parts, proxy });
  };
}

/** On errors too (3.5). */
function vary(handler: Handler): Handler {
  return async (context, parts) => withHeaders(await attempt(handler, context, parts), { Vary: 'X-Keep-Signature' });
}

/** A method that the runtime refuses, asked for through POST. */
function override(method: string, handler: Handler): Handler {
  return (context, parts) => {
    if (context.request.headers.get('X-HTTP-Method-Override') !== method) throw new KeepError('bad_request');
    return handler(context, parts);
  };
}

async function attempt(handler: Handler, context: RequestContext, parts: Parts): Promise<Response> {
  try {
    return await handler(context, parts);
  } catch (error) {
    context.error = error;
    return textError(error);
  }
}

/** Adds headers, unless the handler has already (a hot handler sets all its headers at once). */
function withHeaders(response: Response, headers: Record<string, string>): Response {
  const [first] = Object.keys(headers);
  if (first !== undefined && response.headers.has(first)) return response;
  for (const [name, value] of Object.entries(headers)) response.headers.set(name, value);
  return response;
}
