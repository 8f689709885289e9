import type { RequestContext } from '../../http/context.ts';
import { stepsInto } from '../../keep/uri-paths.ts';
import type { PeoplePages } from '../../pages/views.ts';
import type { Address } from './address.ts';
import type { DownloadSettings } from './dependencies.ts';
import type { OriginPolicy } from './origin-policy.ts';
import { signInPage } from './sign-in.ts';
import type { Target } from './target.ts';

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

/** What trying a client's tokens came to. */
export interface Search {
  target: Target | null;
  /** One was valid, beside the public one. */
  hadGoodToken: boolean;
  /** One opens the collection or project, the public one perhaps, and there is no such path in it. */
  isOpen: boolean;
}

/**
 * No token opened the address. With a valid token that is 404, and so is a missing path in a public collection. Without
 * one the answer says how to send one; a browser that navigates gets a page to sign in.
 */
export function denied(
  context: RequestContext,
  address: Address,
  policy: OriginPolicy,
  settings: DownloadSettings,
  { hadGoodToken, isOpen }: Search,
  pages: PeoplePages | null,
): Response {
  const { request, method } = context;
  if (isOpen || (address.kind === 'id' && address.pathToken !== null)) return notFound();
  const navigates = method === 'GET' && request.headers.get('Sec-Fetch-Mode') === 'navigate';
  const canSignIn = navigates && policy.credentials && settings.workbenchUrl === null;
  const signIn = (problem: 'invalid' | 'no_access' | null) =>
    pages?.signIn(context, problem) ?? signInPage(address, problem);
  if (hadGoodToken) return canSignIn ? signIn('no_access') : notFound();
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
  if (navigates && policy.credentials) return signIn(context.tokens.length === 0 ? null : 'invalid');
  const message = '401 Unauthorized\n\nSend a token: as a Bearer token, or as the password of HTTP Basic.\n';
  const scheme = isForPage(request) ? 'Bearer' : 'Basic';
  return text(401, message, { 'WWW-Authenticate': `${scheme} realm="collections"` });
}

/** A browser fetches it for a page, such as an image: Basic would raise a password box over that page. */
function isForPage({ headers }: Request): boolean {
  // Not by Sec-Fetch-Mode, which programs on Node send too.
  const destination = headers.get('Sec-Fetch-Dest');
  if (destination !== null) return destination !== 'document';
  return /^\s*(image|audio|video|font)\//i.test(headers.get('Accept') ?? '');
}

function toWorkbench(workbench: string, id: string, path: string[], attachment: boolean): Response {
  const key = attachment ? 'redirectToDownload' : 'redirectToPreview';
  const value = encodeURIComponent(`/c=${id}/${stepsInto(path).join('/')}`.toWellFormed())
    .replaceAll('%2F', '/')
    .replaceAll('%3D', '=');
  return new Response(null, { status: 303, headers: { Location: `${workbench}/?${key}=${value}` } });
}
