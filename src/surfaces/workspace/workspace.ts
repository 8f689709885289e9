import type { RequestContext } from '../../http/context.ts';
import { failureOf } from '../../http/error-response.ts';
import { createRouteTable } from '../../http/route-table.ts';
import { KeepError } from '../../keep/errors.ts';
import { ASSETS_PATH } from '../../pages/html-page.ts';
import { html } from '../../pages/markup.ts';
import { ApiProblem } from './api.ts';
import type { WorkspaceDependencies } from './dependencies.ts';
import { bringBack, makeNew, moveToTrash, saveEdit, showEdit } from './edit.ts';
import { openOwn } from './open-own.ts';
import { LISTS, type ListName } from './record-lists.ts';
import { problem, workspacePage } from './shell.ts';
import { enter, showEnter, showSignIn, signInPage, signOut, takeToken } from './sign-in.ts';
import { listPage, startPage } from './start-page.ts';
import { trashPage } from './trash-page.ts';
import { visitorOf } from './visitor.ts';

type Arguments = [RequestContext, WorkspaceDependencies];

const routes = createRouteTable<Arguments>([
  ['GET HEAD', /^\/$/, startPage],
  ['GET HEAD', /^\/workspace\/?$/, () => Response.redirect('/', 303)],
  ['GET HEAD', /^\/workspace\/sign-in$/, showSignIn],
  ['POST', /^\/workspace\/sign-in$/, takeToken],
  ['POST', /^\/workspace\/sign-out$/, signOut],
  ['GET', /^\/workspace\/enter$/, showEnter],
  ['POST', /^\/workspace\/enter$/, enter],
  ['POST', /^\/workspace\/new$/, makeNew],
  ['GET HEAD', record('edit'), (context, deps, { uuid = '' }) => showEdit(context, deps, uuid)],
  ['POST', record('edit'), (context, deps, { uuid = '' }) => saveEdit(context, deps, uuid)],
  [
    'GET',
    /^\/workspace\/open\/(?<uuid>[0-9a-z]{5}-4zz18-[0-9a-z]{15})\/(?<path>.*)$/s,
    (context, deps, { uuid = '', path = '' }) => openOwn(context, deps, uuid, path),
  ],
  ['GET HEAD', /^\/workspace\/trash$/, trashPage],
  ['POST', record('trash'), (context, deps, { uuid = '' }) => moveToTrash(context, deps, uuid)],
  ['POST', record('untrash'), (context, deps, { uuid = '' }) => bringBack(context, deps, uuid)],
  [
    'GET HEAD',
    new RegExp(`^/workspace/list/(?<list>${Object.keys(LISTS).join('|')})$`),
    (context, deps, { list }) => listPage(list as ListName, context, deps),
  ],
]);

/** Below a page's name the UUID of a collection or project. */
function record(page: string): RegExp {
  return new RegExp(`^/workspace/${page}/(?<uuid>[0-9a-z]{5}-(?:4zz18|j7d0g)-[0-9a-z]{15})$`);
}

/** `/` for browsers, and everything below `/workspace/`: pages for people. */
export async function workspace(context: RequestContext, deps: WorkspaceDependencies): Promise<Response> {
  try {
    const response = await routes(context.method, context.path, context, deps);
    return (
      response ??
      (await errorPage(context, deps, new KeepError('not_found', { message: 'There is no page at this address.' })))
    );
  } catch (error) {
    context.error = error;
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
  const visitor = await visitorOf(context, deps).catch(() => null);
  const title = TITLES[status] ?? 'That did not work';
  const body = html`<h1>${title}</h1>${problem(message)}<p class="soft">Request ${context.requestId}</p><p><a href="/">To the start page</a></p>`;
  return workspacePage(context, visitor, { title, body, status });
}

const TITLES: Record<number, string> = {
  403: 'Not permitted',
  404: 'Nothing here',
  409: 'It was changed meanwhile',
  503: 'Not available now',
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
