import { isDirectory } from '../../collections/file-tree.ts';
import type { RequestContext } from '../../http/context.ts';
import { encodePath } from '../../keep/uri-paths.ts';
import { htmlPage } from '../../pages/html-page.ts';
import type { Address } from './address.ts';
import { tokenRedirect } from './credentials.ts';
import { componentsOf } from './directory.ts';
import type { RequestFields } from './request-fields.ts';
import type { Target } from './target.ts';

/** Tells the sign-in form from other forms with a token, which ask for the file itself. */
const MARK = 'sign_in';

/** Why the page is shown again. */
type Problem = 'invalid' | 'no_access';

const SENTENCES: Record<Problem, string> = {
  invalid: 'This token is not valid here: it may be mistyped, expired or revoked.',
  no_access: 'The token is valid, but it may not read this, or there is nothing at this address. Another token may.',
};
const STATUSES: Record<Problem, number> = { invalid: 401, no_access: 404 };

/**
 * A token typed here becomes a cookie of this origin. The status is 401 with the scheme `Bearer`, so that browsers show
 * the page and not their password box.
 * @param problem with the token that was tried; null when there was none
 */
export function signInPage(address: Address, problem: Problem | null): Response {
  // A POST to the root is a block's.
  const action = address.kind === 'site' && address.path.length === 0 ? encodePath(['users'], true) : '';
  const sentence = problem === null ? '' : `<p class="problem" role="alert">${SENTENCES[problem]}</p>`;
  const body =
    '<h1>Sign in</h1><p class="facts">Your API token opens what you may read. It stays in this browser, as a cookie.</p>' +
    `${sentence}<form class="signin" method="post" action="${action}"><label for="token">API token</label>` +
    `<input type="hidden" name="${MARK}" value="1">` +
    '<input id="token" name="api_token" type="password" autocomplete="current-password" required autofocus>' +
    '<button class="main">Sign in</button></form>';
  const status = problem === null ? 401 : STATUSES[problem];
  const headers: Record<string, string> = status === 401 ? { 'WWW-Authenticate': 'Bearer realm="collections"' } : {};
  return htmlPage({ title: 'Sign in', body, status, headers });
}

/** Whether the form of the page above is sent, and by this page: another site could sign a visitor in as someone else. */
export function isSignIn({ method, headers }: Request, { form }: RequestFields): boolean {
  const site = headers.get('Sec-Fetch-Site');
  return method === 'POST' && form.has(MARK) && form.has('api_token') && (site === null || site === 'same-origin');
}

/**
 * Answers the sign-in form, whose token was tried: with the page again unless the token opens the address. At a file it
 * leads to the directory of the file, which would otherwise be saved under an empty window.
 */
export function signedIn(
  { request, url }: RequestContext,
  address: Address,
  token: string,
  { target, hadGoodToken, isOpen }: { target: Target | null; hadGoodToken: boolean; isOpen: boolean },
): Response {
  if (target === null) return signInPage(address, hadGoodToken || isOpen ? 'no_access' : 'invalid');
  const components = componentsOf(target);
  const isFile = target.kind === 'tree' && !isDirectory(target.tree, target.node);
  return tokenRedirect(request, url, encodePath(isFile ? components.slice(0, -1) : components, true), token);
}
