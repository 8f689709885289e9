import type { RequestContext } from '../http/context.ts';
import { htmlPage } from '../pages/html-page.ts';
import { html } from '../pages/markup.ts';
import { ApiProblem } from '../surfaces/workspace/api.ts';
import { isHome } from '../surfaces/workspace/hosts.ts';
import { errorPage, titleOf } from '../surfaces/workspace/workspace.ts';
import type { Dependencies } from './composition.ts';

/**
 * The page that a refusal in plain text becomes where a browser shows it to a person (isForPeople): status and headers stay.
 */
export async function forPeople(context: RequestContext, deps: Dependencies, response: Response): Promise<Response> {
  const message = (await response.text()).trim();
  const page = isHome(context.url.host, deps.workspace.settings)
    ? await errorPage(context, deps.workspace, new ApiProblem(response.status, message))
    : plainPage(context, response.status, message);
  for (const [name, value] of response.headers)
    if (!page.headers.has(name) && !/^content-(length|type)$/i.test(name)) page.headers.set(name, value);
  page.headers.append('Vary', 'Accept');
  return page;
}

/** Programs, and what scripts fetch, keep the text of a refusal. */
export function isForPeople({ method, request: { headers } }: RequestContext, response: Response): boolean {
  if (response.status < 400 || !['GET', 'POST'].includes(method)) return false;
  if (!(headers.get('Accept') ?? '').toLowerCase().includes('text/html')) return false;
  if (!['document', 'iframe', null].includes(headers.get('Sec-Fetch-Dest'))) return false;
  return (response.headers.get('Content-Type') ?? '').startsWith('text/plain');
}

/** For hosts that know nothing of who is signed in. */
function plainPage({ requestId }: RequestContext, status: number, message: string): Response {
  const title = titleOf(status);
  const body = html`<h1>${title}</h1><p class="problem" role="alert">${message}</p><p class="soft">Request ${requestId}</p>`;
  return htmlPage({ title, body, status });
}
