import { isTicket, type TicketContent } from '../../accounts/tickets.ts';
import { effectiveEtag } from '../../collections/edit/metadata-rows.ts';
import { fileEtag } from '../../collections/file-etag.ts';
import { isDirectory, nodePath, nodeSize } from '../../collections/file-tree.ts';
import { blockOpener } from '../../files/block-opener.ts';
import { contentDisposition } from '../../files/content-disposition.ts';
import { type Content, contentResponse } from '../../files/content-response.ts';
import { logDownload } from '../../files/download-log.ts';
import { mayDownload } from '../../files/download-permission.ts';
import { fileParts } from '../../files/file-parts.ts';
import { openerOf } from '../../files/open-cache.ts';
import { asStored, shownType, storedHeaders } from '../../files/stored-headers.ts';
import type { RequestContext } from '../../http/context.ts';
import { DOWNLOAD_PREFLIGHT } from '../../http/cors.ts';
import { clientScheme } from '../../http/session-cookie.ts';
import { isKeepError, KeepError } from '../../keep/errors.ts';
import { encodePath } from '../../keep/uri-paths.ts';
import type { PeoplePages, ReadBytes } from '../../pages/views.ts';
import { type Address, parseAddress } from './address.ts';
import { archiveContent } from './archive.ts';
import { chooseFiles, readArchiveRequest, wantsArchive } from './archive-request.ts';
import { checksumBook, saveWhenDone } from './checksum-book.ts';
import { credentialsOf, searchWithoutToken, tokenRedirect } from './credentials.ts';
import type { KeepWebDependencies } from './dependencies.ts';
import { componentsOf, listingOf } from './directory.ts';
import type { Listing, Sorting } from './listing.ts';
import { breadcrumbs } from './listing-page.ts';
import { listingResponse, wantsPage } from './listing-response.ts';
import { type OriginPolicy, originPolicy } from './origin-policy.ts';
import { directoryView, fileView } from './people-pages.ts';
import { denied, inlineRefused, notFound, type Search, text } from './refusals.ts';
import { type RequestFields, readFields } from './request-fields.ts';
import { isSignIn, signedIn } from './sign-in.ts';
import { type Finder, findTarget, type Target, type TreeTarget } from './target.ts';
import { davOptions, propfind, READ_METHODS, WRITE_METHODS } from './webdav.ts';
import { write } from './webdav-write.ts';

/** A parsed download request. */
interface Asked {
  context: RequestContext;
  deps: KeepWebDependencies;
  address: Address;
  policy: OriginPolicy;
  fields: RequestFields;
}

/** Answers a preflight before any credentials are read. */
export function preflight(request: Request): Response {
  const method = request.headers.get('Access-Control-Request-Method') ?? '';
  if (!READ_METHODS.includes(method) && !WRITE_METHODS.includes(method)) throw new KeepError('method_not_allowed');
  return new Response(null, { status: 200, headers: DOWNLOAD_PREFLIGHT });
}

/** Everything at a download address: files, listings, archives, WebDAV. */
export async function download(context: RequestContext, deps: KeepWebDependencies): Promise<Response> {
  const { request, method, url } = context;
  if (WRITE_METHODS.includes(method)) return write(context, deps);
  if (!READ_METHODS.includes(method)) throw new KeepError('method_not_allowed');
  const address = parseAddress(url.host, context.path);
  if (address === null) return notFound();
  const fields = await readFields(request, url);
  const wantsSaving = fields.get('disposition') === 'attachment';
  const policy = originPolicy(address, url.host, wantsSaving, deps.downloads);
  const asked = { context, deps, address, policy, fields };
  if (policy.credentials && isSignIn(request, fields)) {
    const token = (fields.form.get('api_token') ?? '').trim();
    return signedIn(context, address, token, await firstTarget(asked, [token], false));
  }
  const credentials = credentialsOf(context, address, policy, fields, deps.downloads.anonymousToken);
  if (credentials.kind === 'refused') return inlineRefused(deps.downloads);
  if (credentials.kind === 'redirect') return withoutToken(asked, credentials.cookie);
  const ticket = await ticketOf(asked, credentials.tokens);
  const tokens = ticket === null ? credentials.tokens : [ticket.token];
  const search = await firstTarget(asked, tokens, credentials.anonymous);
  if (search.target === null) return denied(context, address, policy, deps.downloads, search, deps.pages);
  if (ticket !== null && hashOf(search.target) !== ticket.portableDataHash) return notFound();
  // A page about a file says more than its ticket opens.
  return answer(ticket === null ? asked : { ...asked, deps: { ...deps, pages: null } }, search.target);
}

function hashOf(target: Target): string | null {
  return target.kind === 'tree' ? target.collection.portableDataHash : null;
}

function withoutToken({ context, address }: Asked, cookie: string | null): Response {
  const path = encodePath([...address.prefix, ...address.path], address.trailingSlash);
  return tokenRedirect(context.request, context.url, path, cookie);
}

/** What a ticket in the address stands for: a token for reading one file while it has one content. Null without one. */
async function ticketOf({ context, deps, address }: Asked, [ticket = '']: string[]): Promise<TicketContent | null> {
  if (!isTicket(ticket) || address.kind !== 'id' || !['GET', 'HEAD'].includes(context.method)) return null;
  return deps.tickets.open(ticket, { id: address.id, path: address.path.join('/') });
}

/** Tries tokens in their order until one opens the address. */
async function firstTarget({ context, deps, address }: Asked, tokens: string[], anonymous: boolean): Promise<Search> {
  const opener = openerOf(deps);
  const fresh = /no-cache|must-revalidate/.test(context.request.headers.get('Cache-Control') ?? '');
  const finder: Finder = { deps, opener, fresh, signal: context.signal };
  const search: Search = { target: null, hadGoodToken: false, isOpen: false };
  for (const [i, token] of tokens.entries()) {
    try {
      const found = token === '' ? null : await findTarget(finder, address, token);
      const isAnonymous = anonymous && i === tokens.length - 1;
      search.hadGoodToken ||= !isAnonymous;
      if (found === 'missing') search.isOpen = true;
      else if (found !== null) return { ...search, target: found };
    } catch (error) {
      if (!isKeepError(error, 'unauthorized') && !isKeepError(error, 'no_token')) throw error;
      if (token !== '') context.hadWrongToken = true;
    }
  }
  return search;
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
  if (method === 'OPTIONS') return davOptions(asked.deps, address);
  if (method === 'PROPFIND') return propfind(request, target, address, asked.deps);
  if (directory) return listing(asked, target);
  const { pages } = asked.deps;
  const wantsFilePage = pages !== null && method === 'GET' && fields.has('preview') && wantsPage(request.headers);
  return wantsFilePage ? filePage(asked, target as TreeTarget, pages) : file(asked, target as TreeTarget);
}

/** WEBDAV_PERMISSION can forbid users, or admins, to download content. Names and sizes stay visible. */
async function isBarred({ context, deps, policy, fields }: Asked, target: Target): Promise<boolean> {
  if (target.kind === 'virtual') return false;
  const isContent = ['GET', 'POST'].includes(context.method) && !isDirectory(target.tree, target.node);
  if (!isContent && !wantsArchive(context.request.headers, fields, policy.attachment)) return false;
  return !(await mayDownload(deps, () => deps.downloader(target.token)));
}

async function listing(asked: Asked, target: Target): Promise<Response> {
  const { context, address, fields } = asked;
  const { request, method, url } = context;
  const origin = `${clientScheme(request, url)}://${url.host}`;
  if (method === 'POST') {
    // A form with a token. On a download host it was accepted directly, without a redirect.
    const cookie = fields.form.get('api_token');
    if (cookie !== null) return tokenRedirect(request, url, encodePath(componentsOf(target), true), cookie);
    throw new KeepError('method_not_allowed', { headers: { Allow: READ_METHODS.join(', ') } });
  }
  if (!address.trailingSlash) {
    const location = `${origin}${encodePath(componentsOf(target), true)}${searchWithoutToken(url)}`;
    return new Response(null, { status: 303, headers: { Location: location, 'Cache-Control': 'no-store' } });
  }
  const { pages } = asked.deps;
  const facts = { ownOrigin: isOwnOrigin(address), ownerUuid: ownerOf(address, target) };
  const page =
    pages === null
      ? undefined
      : async (listed: Listing, sorting: Sorting, page: number) =>
          pages.directory(
            context,
            await directoryView(target, listed, { sorting, page }, facts, (node) => bytesReader(asked, target, node)),
          );
  return listingResponse(request, fields, listingOf(target, origin, address), page);
}

function isOwnOrigin(address: Address): boolean {
  return address.kind === 'id' && address.ownOrigin;
}

/** The project that an address names; null for one inside it, which has no UUID of its own here. */
function ownerOf(address: Address, target: Target): string | null {
  if (target.kind === 'tree') return null;
  if (address.kind === 'id') return address.path.length === 0 ? address.id : null;
  const [first, id, ...rest] = address.path;
  return first === 'by_id' && id !== undefined && rest.length === 0 ? id : null;
}

/** The beginning of a file of the target's tree. Counts as no download: it is part of a page. */
function bytesReader(asked: Asked, target: Target, node: number): ReadBytes {
  return async (maxBytes) => {
    if (target.kind !== 'tree') return new Uint8Array(0);
    const { tree } = target;
    const length = Math.min(maxBytes, nodeSize(tree, node));
    if (length === 0) return new Uint8Array(0);
    const { signal, url } = asked.context;
    const content: Content = {
      size: length,
      type: 'text/plain',
      validators: { etag: '""', modified: null },
      headers: {},
      slice: (range) => fileParts(tree, node, range, blockOpener(asked.context, asked.deps, target)),
    };
    const { response } = await contentResponse(new Request(url.href), signal, content);
    return new Uint8Array(await response.arrayBuffer());
  };
}

/** The page about a file, where a browser asks for it. */
async function filePage(asked: Asked, target: TreeTarget, pages: PeoplePages): Promise<Response> {
  const { context, address } = asked;
  const place = target.path.join('/');
  const metadata = (await asked.deps.collections.metadata(target.collection, [place])).get(place);
  const facts = { ownOrigin: isOwnOrigin(address), type: shownType(metadata, target.path.at(-1) ?? '') };
  const { crumbs } = listingOf(target, '', address);
  const response = await pages.file(
    context,
    fileView(target, breadcrumbs({ crumbs }), facts, (node) => bytesReader(asked, target, node)),
  );
  response.headers.set('Vary', 'Accept, Authorization, Cookie');
  return response;
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
  const place = path.join('/');
  const metadata = (await asked.deps.collections.metadata(collection, [place])).get(place);
  const content: Content = {
    size: nodeSize(tree, node),
    type: shownType(metadata, name),
    validators: {
      etag: effectiveEtag(await fileEtag(tree, node), metadata),
      modified: collection.uuid === null ? null : Date.parse(collection.modifiedAt),
    },
    headers: {
      ...storedHeaders(metadata),
      ...contentHeaders(target),
      ...(disposition === null ? {} : { 'Content-Disposition': disposition }),
    },
    slice: (range) => fileParts(tree, node, range, blockOpener(asked.context, asked.deps, target)),
  };
  if (context.request.headers.get('Range')?.includes(',')) await asked.deps.requireEgress(target.token);
  const { response, done, range } = await contentResponse(context.request, context.signal, content);
  if (done !== null) logDownload(context, asked.deps, target, { path: place, files: 1, range, done });
  return asStored(response);
}

async function archive(asked: Asked, target: TreeTarget): Promise<Response> {
  const { context, deps, fields } = asked;
  const { tree, node, collection } = target;
  await deps.requireEgress(target.token);
  const request = readArchiveRequest(fields);
  const files = await chooseFiles(tree, node, request.files);
  const book = await checksumBook(tree, collection.portableDataHash, deps.downloads.edgeCache);
  const open = blockOpener(asked.context, asked.deps, target);
  const { downloadUrl } = deps.downloads;
  const description =
    request.metadata && collection.uuid !== null
      ? await deps.collections.describe(collection.uuid, target.token, context.signal)
      : null;
  const content = await archiveContent(target, request, files, { open, book, downloadUrl, description });
  const headers = { ...contentHeaders(target), ...content.headers };
  const { response, done, range } = await contentResponse(context.request, context.signal, { ...content, headers });
  if (done === null) return response;
  saveWhenDone(book, done);
  const [only] = files.nodes;
  const path = files.nodes.length === 1 && only !== undefined ? nodePath(tree, only) : null;
  logDownload(context, deps, target, { path, files: files.nodes.length, range, done });
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
