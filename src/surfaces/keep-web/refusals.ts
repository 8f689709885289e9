import type { RequestContext } from '../../http/context.ts';
import { type Address, encodePath } from './address.ts';
import type { DownloadSettings } from './dependencies.ts';
import { htmlPage } from './html-page.ts';
import type { OriginPolicy } from './origin-policy.ts';

/** Answers that refuse: no such path, no permission, no way to take a token here. */

export function notFound(): Response {
  return text(404, 'Not Found\n');
}

export function text(status: number, message: string, headers: Record<string, string> = {}): Response {
  return new Response(message, {
    status,
    headers: { 'Content-Type': 'text/plain; charset=utf-8', 'X-Content-Type-Options': 'nosniff', ...headers },
  });
}

/** On a shared origin a token from the query can become neither a cookie nor stay in the address bar. */
export function inlineRefused({ downloadUrl }: DownloadSettings): Response {
  const where = downloadUrl === null ? '' : ` Use ${downloadUrl} for downloads.`;
  return text(400, `cannot serve inline content at this URL: its origin is shared with other collections.${where}\n`);
}

/**
 * No token opened the address. With a valid token that is 404. Without one the answer says how to send one; a browser
 * that navigates gets a page to sign in.
 */
export function denied(
  context: RequestContext,
  address: Address,
  policy: OriginPolicy,
  settings: DownloadSettings,
  hadGoodToken: boolean,
): Response {
  const { request, method } = context;
  if (hadGoodToken || (address.kind === 'id' && address.pathToken !== null)) return notFound();
  const navigates = method === 'GET' && request.headers.get('Sec-Fetch-Mode') === 'navigate';
  if (navigates && settings.workbenchUrl !== null && address.kind === 'id') {
    return toWorkbench(settings.workbenchUrl, address.id, address.path, policy.attachment);
  }
  if (!policy.credentials && address.kind === 'id') {
    const where = settings.downloadUrl === null ? '' : ` Use ${settings.downloadUrl} instead.`;
    return text(
      401,
      `Authorization tokens are not accepted here: this origin is shared by many collections.${where}\n`,
    );
  }
  if (navigates && policy.credentials) return signInPage(address);
  const message = '401 Unauthorized\n\nSend a token: as a Bearer token, or as the password of HTTP Basic.\n';
  return text(401, message, { 'WWW-Authenticate': 'Basic realm="collections"' });
}

function toWorkbench(workbench: string, id: string, path: string[], attachment: boolean): Response {
  const key = attachment ? 'redirectToDownload' : 'redirectToPreview';
  const value = encodeURIComponent(`/c=${id}/${path.join('/')}`.toWellFormed())
    .replaceAll('%2F', '/')
    .replaceAll('%3D', '=');
  return new Response(null, { status: 303, headers: { Location: `${workbench}/?${key}=${value}` } });
}

/** A token typed here becomes a cookie of this origin. `Bearer`, so that browsers show the page and not their password box. */
function signInPage(address: Address): Response {
  // A POST to the root is a block's.
  const action = address.kind === 'site' && address.path.length === 0 ? encodePath(['users'], true) : '';
  const body =
    '<h1>Sign in</h1><p class="facts">Your API token opens what you may read. It stays in this browser, as a cookie.</p>' +
    `<form class="signin" method="post" action="${action}"><label for="token">API token</label>` +
    '<input id="token" name="api_token" type="password" autocomplete="current-password" required autofocus>' +
    '<button class="main">Sign in</button></form>';
  return htmlPage('Sign in', body, 401, { 'WWW-Authenticate': 'Bearer realm="collections"' });
}
