import type { RequestContext } from '../../http/context.ts';
import { clearedCookies, MADE_HERE, sessionCookies } from '../../http/session-cookie.ts';
import { html, type Markup } from '../../pages/markup.ts';
import { ApiProblem, ask } from './api.ts';
import type { WorkspaceDependencies } from './dependencies.ts';
import { field, ownPath, readForm, seeOther } from './forms.ts';
import { createSession, endSession } from './session.ts';
import { barOf, problem, SIGNING_IN, workspacePage } from './shell.ts';

/** All that the token in a sign-in link may do: be changed for a session, once. */
export const ENTER_SCOPE = 'POST /workspace/enter';

const SENTENCES = {
  invalid: 'This token is not valid here: it may be mistyped, expired or revoked.',
  no_access: 'You are signed in, but may not read this, or there is nothing at this address. Another account may.',
};

/** The form that takes a token; its answer leads on to `next`. */
export function signInForm(context: RequestContext, { settings }: WorkspaceDependencies, next: string | null): Markup {
  const { workbenchUrl } = settings;
  const where =
    workbenchUrl !== null
      ? html`You find yours in <a href="${workbenchUrl}">Workbench</a>, under “Get API token”.`
      : html`An admin makes one for you, or sends you a sign-in link. On the machine where the service runs, <code>npm start</code> prints a link.`;
  const target = ownPath(next ?? context.url.pathname);
  const provider =
    settings.oidc !== null &&
    html`<p><a class="button main" href="/workspace/oidc?next=${encodeURIComponent(target)}">Sign in with ${new URL(settings.oidc.issuer).hostname}</a></p><p class="soft">or with a token:</p>`;
  return html`${provider}<form class="signin" method="post" action="/workspace/sign-in"><label for="token">API token</label>
<input id="token" name="api_token" type="password" autocomplete="current-password" aria-describedby="token-help" required>
<input type="hidden" name="next" value="${ownPath(next ?? context.url.pathname)}"><p class="soft" id="token-help">${where} It stays in this browser, as a cookie that scripts cannot read.</p>
<button class="main">Sign in</button></form>`;
}

/** @param why the page is shown in place of another one, which it leads on to */
export function signInPage(
  context: RequestContext,
  deps: WorkspaceDependencies,
  why: keyof typeof SENTENCES | null,
  options: { status?: number; next?: string | null } = {},
): Response {
  const status = options.status ?? (why === 'no_access' ? 404 : 401);
  const body = html`<h1>Sign in</h1>${why === null ? status === 401 && html`<p class="lead">Sign in to see this page. What is public can be seen without.</p>` : problem(SENTENCES[why])}${signInForm(context, deps, options.next ?? null)}`;
  // With the scheme `Bearer` browsers show the page and not their password box.
  const headers: Record<string, string> = status === 401 ? { 'WWW-Authenticate': 'Bearer realm="collections"' } : {};
  return workspacePage(context, null, {
    bar: barOf(null, '', SIGNING_IN),
    title: 'Sign in',
    body,
    status,
    headers,
  });
}

/** `GET /workspace/sign-in`. */
export function showSignIn(context: RequestContext, deps: WorkspaceDependencies): Response {
  return signInPage(context, deps, null, { status: 200, next: ownPath(context.url.searchParams.get('next')) });
}

/** `POST /workspace/sign-in`: a token that is valid becomes a cookie. */
export async function takeToken(context: RequestContext, deps: WorkspaceDependencies): Promise<Response> {
  const form = await readForm(context);
  const token = field(form, 'api_token');
  const next = ownPath(form.get('next'));
  const account = token === '' ? null : await deps.identify(token, context.signal);
  if (account === null || account.user?.isActive === false || account.scopes.includes(ENTER_SCOPE))
    return invalid(context, deps, next);
  return signedIn(context, deps, token, next, false);
}

function invalid(context: RequestContext, deps: WorkspaceDependencies, next: string): Response {
  context.hadWrongToken = true;
  return signInPage(context, deps, 'invalid', { next });
}

/** `POST /workspace/sign-out`: the cookie goes, with what was handed out, and with the token when a sign-in here made it. */
export async function signOut(context: RequestContext, deps: WorkspaceDependencies): Promise<Response> {
  await readForm(context);
  await endSession(context, deps);
  // Which blocks were uploaded is remembered in this browser.
  const response = seeOther('/', { 'Clear-Site-Data': '"storage"' });
  for (const cookie of clearedCookies()) response.headers.append('Set-Cookie', cookie);
  return response;
}

/** `GET /workspace/enter?code=...`: asks before it signs in, so that no page can do it unseen, nor a program that looks at links. */
export async function showEnter(context: RequestContext, deps: WorkspaceDependencies): Promise<Response> {
  const code = context.url.searchParams.get('code') ?? '';
  const account = code === '' ? null : await deps.identify(code, context.signal);
  if (account?.user === null || account === null || !account.scopes.includes(ENTER_SCOPE)) return spent(context, deps);
  const name = account.user.fullName || account.user.username;
  const body = html`<h1>Sign in</h1><p class="lead">This link signs you in as <strong>${name}</strong>. It works once.</p>
<form method="post" action="/workspace/enter"><input type="hidden" name="code" value="${code}"><button class="main" autofocus>Continue as ${name}</button></form>`;
  return workspacePage(context, null, {
    bar: barOf(null, '', SIGNING_IN),
    title: 'Sign in',
    body,
    headers: { 'Referrer-Policy': 'no-referrer-when-downgrade' },
  });
}

/** `POST /workspace/enter`: changes the code for a session. */
export async function enter(context: RequestContext, deps: WorkspaceDependencies): Promise<Response> {
  const code = field(await readForm(context), 'code');
  const account = code === '' ? null : await deps.identify(code, context.signal);
  const user = account?.user;
  if (!user || !account?.scopes.includes(ENTER_SCOPE) || account.tokenUuid === null) return spent(context, deps);
  try {
    await ask(context, deps, deps.settings.rootToken, `api_client_authorizations/${account.tokenUuid}`, {
      method: 'DELETE',
    });
  } catch (error) {
    if (error instanceof ApiProblem) return spent(context, deps);
    throw error;
  }
  return signedIn(context, deps, await createSession(context, deps, user.uuid), '/', true);
}

/** @param madeHere the token ends when its holder signs out */
export async function signedIn(
  context: RequestContext,
  deps: WorkspaceDependencies,
  token: string,
  next: string,
  madeHere: boolean,
): Promise<Response> {
  // Another account in the same browser: the session before would live on with no one to end it.
  if (!context.tokens.includes(token)) await endSession(context, deps);
  const response = seeOther(next);
  for (const cookie of sessionCookies(context, token)) response.headers.append('Set-Cookie', cookie);
  if (madeHere) response.headers.append('Set-Cookie', MADE_HERE);
  return response;
}

function spent(context: RequestContext, deps: WorkspaceDependencies): Response {
  context.hadWrongToken = true;
  const body = html`<h1>Sign in</h1>${problem('This link was used already, or has expired. Ask for a new one: npm start prints one, and an admin can make one.')}${signInForm(context, deps, '/')}`;
  return workspacePage(context, null, {
    bar: barOf(null, '', SIGNING_IN),
    title: 'Sign in',
    body,
    status: 401,
    headers: { 'WWW-Authenticate': 'Bearer realm="collections"' },
  });
}
