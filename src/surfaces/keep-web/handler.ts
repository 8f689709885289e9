import { blockHints, isDirectory, nodePath, nodeSize } from '../../collections/file-tree.ts';
import type { RequestContext } from '../../http/context.ts';
import { DOWNLOAD_PREFLIGHT } from '../../http/cors.ts';
import { isKeepError, KeepError } from '../../keep/errors.ts';
import { type Address, encodePath, parseAddress } from './address.ts';
import { archiveContent } from './archive.ts';
import { chooseFiles, readArchiveRequest, wantsArchive } from './archive-request.ts';
import { checksumBook, saveWhenDone } from './checksum-book.ts';
import { contentDisposition } from './content-disposition.ts';
import { type Content, contentResponse } from './content-response.ts';
import { contentType } from './content-type.ts';
import { clientScheme, credentialsOf, searchWithoutToken, tokenRedirect } from './credentials.ts';
import type { KeepWebDependencies } from './dependencies.ts';
import { componentsOf, listingOf } from './directory.ts';
import { logDownload } from './download-log.ts';
import { fileEtag, fileParts, type OpenBlock } from './file-parts.ts';
import { listingJson, parseSorting, sortEntries } from './listing.ts';
import { listingPage } from './listing-page.ts';
import { createOpener, type Opener } from './open-cache.ts';
import { type OriginPolicy, originPolicy } from './origin-policy.ts';
import { denied, inlineRefused, notFound, text } from './refusals.ts';
import { type RequestFields, readFields } from './request-fields.ts';
import { type Finder, findTarget, type Target, type TreeTarget } from './target.ts';
import { textStream } from './text-stream.ts';
import { davOptions, propfind, READ_METHODS, readOnly, WRITE_METHODS } from './webdav.ts';

/** A parsed download request. */
interface Asked {
  context: RequestContext;
  deps: KeepWebDependencies;
  address: Address;
  policy: OriginPolicy;
  fields: RequestFields;
}

const openers = new WeakMap<KeepWebDependencies, Opener>();

/** Answers a preflight before any credentials are read. */
export function preflight(request: Request): Response {
  const method = request.headers.get('Access-Control-Request-Method') ?? '';
  if (!READ_METHODS.includes(method)) throw new KeepError('method_not_allowed');
  return new Response(null, { status: 200, headers: DOWNLOAD_PREFLIGHT });
}

/** Everything at a download address: files, listings, archives, WebDAV. */
export async function download(context: RequestContext, deps: KeepWebDependencies): Promise<Response> {
  const { request, method, url } = context;
  if (!READ_METHODS.includes(method) && !WRITE_METHODS.includes(method)) throw new KeepError('method_not_allowed');
  const address = parseAddress(url.host, context.path);
  if (address === null) return notFound();
  if (WRITE_METHODS.includes(method)) return readOnly();
  const fields = await readFields(request, url.searchParams);
  const wantsSaving = fields.get('disposition') === 'attachment';
  const policy = originPolicy(address, url.host, wantsSaving, deps.downloads);
  const asked = { context, deps, address, policy, fields };
  const credentials = credentialsOf(context, address, policy, fields, deps.downloads.anonymousToken);
  if (credentials.kind === 'refused') return inlineRefused(deps.downloads);
  if (credentials.kind === 'redirect') return signedIn(asked, credentials.cookie);
  const { target, hadGoodToken } = await firstTarget(asked, credentials.tokens, credentials.anonymous);
  if (target === null) return denied(context, address, policy, deps.downloads, hadGoodToken);
  return answer(asked, target);
}

function signedIn({ context, address }: Asked, cookie: string | null): Response {
  const path = encodePath([...address.prefix, ...address.path], address.trailingSlash);
  return tokenRedirect(context.request, context.url, path, cookie);
}

/** Tries tokens in their order until one opens the address. */
async function firstTarget({ context, deps, address }: Asked, tokens: string[], anonymous: boolean) {
  const opener = openers.get(deps) ?? createOpener(deps.collections, deps.downloads.openTtlSeconds, Date.now);
  openers.set(deps, opener);
  const fresh = /no-cache|must-revalidate/.test(context.request.headers.get('Cache-Control') ?? '');
  const finder: Finder = { deps, opener, fresh, signal: context.signal };
  let hadGoodToken = false;
  for (const [i, token] of tokens.entries()) {
    try {
      const target = token === '' ? null : await findTarget(finder, address, token);
      if (target !== null) return { target, hadGoodToken: true };
      hadGoodToken ||= !(anonymous && i === tokens.length - 1);
    } catch (error) {
      if (!isKeepError(error, 'unauthorized') && !isKeepError(error, 'no_token')) throw error;
    }
  }
  return { target: null, hadGoodToken };
}

async function answer(asked: Asked, target: Target): Promise<Response> {
  const { context, address, policy, fields } = asked;
  const { method, request } = context;
  if (await isBarred(asked, target)) return text(403, 'Not permitted\n');
  if (wantsArchive(request.headers, fields, policy.attachment)) {
    if (!['GET', 'HEAD', 'POST'].includes(method) || target.kind !== 'tree' || !isDirectory(target.tree, target.node)) {
      throw new KeepError('bad_request', {
        message: 'a ZIP archive can only be made of a collection or a directory in it',
      });
    }
    return archive(asked, target);
  }
  const directory = target.kind === 'virtual' || isDirectory(target.tree, target.node);
  if (!directory && address.trailingSlash) return notFound();
  if (method === 'OPTIONS') return davOptions();
  if (method === 'PROPFIND') return propfind(request, target, address);
  return directory ? listing(asked, target) : file(asked, target as TreeTarget);
}

/** WEBDAV_PERMISSION can forbid users, or admins, to download content. Names and sizes stay visible. */
async function isBarred({ context, deps, policy, fields }: Asked, target: Target): Promise<boolean> {
  const { user, admin } = deps.downloads.mayDownload;
  if ((user && admin) || target.kind === 'virtual') return false;
  const isContent = ['GET', 'POST'].includes(context.method) && !isDirectory(target.tree, target.node);
  if (!isContent && !wantsArchive(context.request.headers, fields, policy.attachment)) return false;
  const downloader = await deps.downloader(target.token);
  return downloader?.isAdmin ? !admin : !user;
}

async function listing({ context, address, fields }: Asked, target: Target): Promise<Response> {
  const { request, method, url } = context;
  const origin = `${clientScheme(request, url)}://${url.host}`;
  if (method === 'POST') {
    // The form on the sign-in page. On a download host its token was accepted directly, without a redirect.
    const cookie = fields.form.get('api_token');
    if (cookie !== null) return tokenRedirect(request, url, encodePath(componentsOf(target), true), cookie);
    throw new KeepError('method_not_allowed', { headers: { Allow: READ_METHODS.join(', ') } });
  }
  if (!address.trailingSlash) {
    const location = `${origin}${encodePath(componentsOf(target), true)}${searchWithoutToken(url)}`;
    return new Response(null, { status: 303, headers: { Location: location, 'Cache-Control': 'no-store' } });
  }
  const listed = await listingOf(target, origin, address);
  const Vary = 'Accept, Authorization, Cookie';
  if (wantsJson(request.headers)) {
    const headers = { 'Content-Type': 'application/json', 'Cache-Control': 'private, no-cache', Vary };
    return new Response(method === 'HEAD' ? null : textStream(listingJson(listed)), { headers });
  }
  const sorting = parseSorting(fields.get('sort'));
  const page = Math.max(0, Math.trunc(Number(fields.get('page') ?? 1)) - 1) || 0;
  const response = listingPage(listed, sortEntries(listed.entries, sorting), sorting, page);
  response.headers.set('Vary', Vary);
  return method === 'HEAD' ? new Response(null, response) : response;
}

function wantsJson(headers: Headers): boolean {
  const accept = headers.get('Accept') ?? '';
  return accept.includes('application/json') && !accept.includes('text/html');
}

async function file(asked: Asked, target: TreeTarget): Promise<Response> {
  const { context, policy } = asked;
  const { tree, node, path, collection } = target;
  const name = path.at(-1) ?? '';
  const named = context.request.url.includes('?') ? name : undefined;
  const disposition = policy.attachment
    ? contentDisposition('attachment', named)
    : named === undefined
      ? null
      : contentDisposition('inline', named);
  const content: Content = {
    size: nodeSize(tree, node),
    type: contentType(name),
    validators: {
      etag: fileEtag(tree, node),
      modified: collection.uuid === null ? null : Date.parse(collection.modifiedAt),
    },
    headers: {
      ...contentHeaders(target),
      ...(disposition === null ? {} : { 'Content-Disposition': disposition }),
    },
    slice: (range) => fileParts(tree, node, range, blockOpener(asked, target)),
  };
  const { response, done, range } = await contentResponse(context.request, context.signal, content);
  if (done !== null) logDownload(context, asked.deps, target, { path: path.join('/'), files: 1, range, done });
  return response;
}

async function archive(asked: Asked, target: TreeTarget): Promise<Response> {
  const { context, deps, fields } = asked;
  const { tree, node, collection } = target;
  const request = readArchiveRequest(fields);
  const files = chooseFiles(tree, node, request.files);
  const book = await checksumBook(tree, collection.portableDataHash, deps.downloads.edgeCache);
  const open = blockOpener(asked, target);
  const { downloadUrl } = deps.downloads;
  const description =
    request.metadata && collection.uuid !== null
      ? await deps.collections.describe(collection.uuid, target.token, context.signal)
      : null;
  const content = archiveContent(target, request, files, { open, book, downloadUrl, description });
  const headers = { ...contentHeaders(target), ...content.headers };
  const { response, done, range } = await contentResponse(context.request, context.signal, { ...content, headers });
  if (done === null) return response;
  saveWhenDone(book, done);
  const [only] = files;
  const path = files.length === 1 && only !== undefined ? nodePath(tree, only.node) : null;
  logDownload(context, deps, target, { path, files: files.length, range, done });
  return response;
}

/**
 * Only the reader's own cache may keep content: for long when the address names the content itself, else to be
 * revalidated. Answers differ by token. An address that contains a token must not leak in a Referer.
 */
function contentHeaders({ collection }: TreeTarget): Record<string, string> {
  const age = collection.uuid === null ? 'max-age=31536000, immutable' : 'no-cache';
  return {
    'Cache-Control': `private, ${age}, no-transform`,
    Vary: 'Authorization, Cookie',
    'X-Content-Type-Options': 'nosniff',
    'Referrer-Policy': 'no-referrer',
  };
}

function blockOpener({ context, deps }: Asked, { token, collection, tree }: TreeTarget): OpenBlock {
  const { requestId, now } = context;
  const open: OpenBlock = (block, range, signal) => deps.openBlock(block, range, { token, requestId, now, signal });
  return async (block, range, signal) => {
    try {
      return await open(block, range, signal);
    } catch (error) {
      // Its signature by another cluster may have expired, or be another collection's that has the same content.
      if (!block.hints.includes('+R') || signal.aborted) throw error;
      const fresh = await deps.trees.renewed(collection, token, tree).catch(() => null);
      const hints = fresh === null ? block.hints : blockHints(fresh, block.number);
      if (hints === block.hints) throw error;
      return open({ ...block, hints }, range, signal);
    }
  };
}
