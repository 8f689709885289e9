import { type RequestContext, requireAdmitted } from '../../http/context.ts';
import { failureOf } from '../../http/error-response.ts';
import { createRouteTable } from '../../http/route-table.ts';
import { isKeepError, KeepError } from '../../keep/errors.ts';
import { ASSETS_PATH } from '../../pages/html-page.ts';
import { html } from '../../pages/markup.ts';
import { ApiProblem } from './api.ts';
import type { CallService, WorkspaceDependencies } from './dependencies.ts';
import { bringBack, makeNew, moveToTrash, saveEdit, showEdit } from './edit.ts';
import { saveFileEdit, showFileEdit } from './file-edit.ts';
import { fromProvider, toProvider } from './oidc.ts';
import { openOwn } from './open-own.ts';
import { changeUser, operatorPage } from './operator-page.ts';
import { LISTS, type ListName } from './record-lists.ts';
import { searchPage } from './search-page.ts';
import { changeShare, showShare } from './share-page.ts';
import { problem, workspacePage } from './shell.ts';
import { enter, showEnter, showSignIn, signInPage, signOut, takeToken } from './sign-in.ts';
import { listPage, startPage } from './start-page.ts';
import { changeTokens, showTokens } from './tokens-page.ts';
import { trashPage } from './trash-page.ts';
import { uploadManifest, uploadOthers, uploadPage, uploadSave } from './upload-page.ts';
import { restoreVersion, versionsPage } from './versions-page.ts';
import { visitorOf } from './visitor.ts';

type Arguments = [RequestContext, WorkspaceDependencies, CallService];

const routes = createRouteTable<Arguments>([
  ['GET HEAD', /^\/$/, startPage],
  ['GET HEAD', /^\/workspace\/?$/, () => Response.redirect('/', 303)],
  ['GET HEAD', /^\/workspace\/sign-in$/, showSignIn],
  ['POST', /^\/workspace\/sign-in$/, takeToken],
  ['POST', /^\/workspace\/sign-out$/, signOut],
  ['GET', /^\/workspace\/enter$/, showEnter],
  ['POST', /^\/workspace\/enter$/, enter],
  ['GET', /^\/workspace\/oidc$/, toProvider],
  ['GET', /^\/workspace\/oidc\/callback$/, fromProvider],
  ['POST', /^\/workspace\/new$/, makeNew],
  ['GET HEAD', record('edit'), (context, deps, _service, { uuid = '' }) => showEdit(context, deps, uuid)],
  ['POST', record('edit'), (context, deps, _service, { uuid = '' }) => saveEdit(context, deps, uuid)],
  [
    'GET',
    /^\/workspace\/open\/(?<uuid>[0-9a-z]{5}-4zz18-[0-9a-z]{15})\/.*$/s,
    (context, deps, _service, { uuid = '' }) => openOwn(context, deps, uuid),
  ],
  ['GET HEAD', /^\/workspace\/search$/, searchPage],
  ['GET HEAD', /^\/workspace\/operator$/, operatorPage],
  ['POST', /^\/workspace\/operator$/, changeUser],
  ['GET HEAD', /^\/workspace\/tokens$/, showTokens],
  ['POST', /^\/workspace\/tokens$/, changeTokens],
  ['GET HEAD', record('share'), (context, deps, _service, { uuid = '' }) => showShare(context, deps, uuid)],
  ['POST', record('share'), (context, deps, _service, { uuid = '' }) => changeShare(context, deps, uuid)],
  ['GET HEAD', record('versions'), (context, deps, _service, { uuid = '' }) => versionsPage(context, deps, uuid)],
  ['POST', record('versions'), (context, deps, _service, { uuid = '' }) => restoreVersion(context, deps, uuid)],
  ['GET HEAD', record('file'), (context, deps, _service, { uuid = '' }) => showFileEdit(context, deps, uuid)],
  ['POST', record('file'), (context, deps, _service, { uuid = '' }) => saveFileEdit(context, deps, uuid)],
  ['GET HEAD', record('upload'), (context, deps, _service, { uuid = '' }) => uploadPage(context, deps, uuid)],
  [
    'GET',
    record('upload', '/manifest'),
    (context, deps, _service, { uuid = '' }) => uploadManifest(context, deps, uuid),
  ],
  ['GET', record('upload', '/others'), (context, deps, _service, { uuid = '' }) => uploadOthers(context, deps, uuid)],
  ['POST', record('upload', '/save'), (context, deps, _service, { uuid = '' }) => uploadSave(context, deps, uuid)],
  ['GET HEAD', /^\/workspace\/trash$/, trashPage],
  ['POST', record('trash'), (context, deps, _service, { uuid = '' }) => moveToTrash(context, deps, uuid)],
  ['POST', record('untrash'), (context, deps, service, { uuid = '' }) => bringBack(context, deps, service, uuid)],
  [
    'GET HEAD',
    new RegExp(`^/workspace/list/(?<list>${Object.keys(LISTS).join('|')})$`),
    (context, deps, _service, { list }) => listPage(list as ListName, context, deps),
  ],
]);

/** Below a page's name the UUID of a collection or project. */
function record(page: string, rest = ''): RegExp {
  return new RegExp(`^/workspace/${page}/(?<uuid>[0-9a-z]{5}-(?:4zz18|j7d0g)-[0-9a-z]{15})${rest}$`);
}

/** `/` for browsers, and everything below `/workspace/`: pages for people. */
export async function workspace(
  context: RequestContext,
  deps: WorkspaceDependencies,
  service: CallService,
): Promise<Response> {
  try {
    requireAdmitted(context);
    const response = await routes(context.method, context.path, context, deps, service);
    return (
      response ??
      (await errorPage(context, deps, new KeepError('not_found', { message: 'There is no page at this address.' })))
    );
  } catch (error) {
    // What the API refuses is told to who asked, and is no fault of the service.
    if (!(error instanceof ApiProblem && error.status < 500)) context.error = error;
    return errorPage(context, deps, error);
  }
}

/** What went wrong, as a page; who is not signed in is asked to. */
export async function errorPage(
  context: RequestContext,
  deps: WorkspaceDependencies,
  error: unknown,
): Promise<Response> {
  const { status, message } = error instanceof ApiProblem ? error : failureOf(error);
  if (status === 401) return signInPage(context, deps, null, { next: context.method === 'GET' ? null : '/' });
  // Who is held back is not looked up.
  const visitor =
    status === 429 || context.refusal !== undefined ? null : await visitorOf(context, deps).catch(() => null);
  const title = titleOf(status);
  const hint = HINTS[status];
  const text = /^not found\.?$/i.test(message)
    ? 'There is nothing at this address, or nothing that you may see.'
    : message;
  const body = html`<h1>${title}</h1>${problem(text)}${hint !== undefined && html`<p class="lead">${hint}</p>`}<p><a href="/">To the start page</a></p><p class="soft">Request ${context.requestId}</p>`;
  const headers = isKeepError(error) ? error.headers : {};
  return workspacePage(context, visitor, { title, body, status, headers });
}

/** What a page about a refusal is called. */
export function titleOf(status: number): string {
  return TITLES[status] ?? (status < 500 ? 'That cannot be done' : 'Something went wrong');
}

const TITLES: Record<number, string> = {
  403: 'Not permitted',
  404: 'Nothing here',
  409: 'It was changed meanwhile',
  413: 'Too large',
  429: 'Too many requests',
  503: 'Not available now',
  507: 'No room',
};

const HINTS: Record<number, string> = {
  429: 'Wait a little, then load the page again.',
  500: 'This is a fault of the service. Tell the request below to who runs it: it is in the log.',
  503: 'This usually passes: load the page again in a minute.',
};

/** A script or picture of the pages. */
export async function asset(context: RequestContext, { assets }: WorkspaceDependencies): Promise<Response> {
  const name = context.path.slice(ASSETS_PATH.length);
  if (assets === undefined || !/^[a-z0-9][a-z0-9.-]*$/.test(name)) return new Response('Not Found\n', { status: 404 });
  const { headers, method } = context.request;
  const condition = headers.get('If-None-Match');
  const found = await assets.fetch(`https://assets/${name}`, {
    method,
    headers: condition === null ? {} : { 'If-None-Match': condition },
  });
  const response = new Response(found.body, found);
  response.headers.set('X-Content-Type-Options', 'nosniff');
  response.headers.set('Cross-Origin-Resource-Policy', 'same-origin');
  // Workers have a policy of their own: MD5 is WebAssembly.
  response.headers.set('Content-Security-Policy', "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'");
  return response;
}
