import { sharingScopes } from '../../accounts/sharing-links.ts';
import type { RequestContext } from '../../http/context.ts';
import { KeepError } from '../../keep/errors.ts';
import { encodePath, stepsInto } from '../../keep/uri-paths.ts';
import { html, visible } from '../../pages/markup.ts';
import { ask } from './api.ts';
import type { WorkspaceDependencies } from './dependencies.ts';
import { seeOther } from './forms.ts';
import { ownOriginOf } from './hosts.ts';
import { scopesForSession } from './session.ts';
import { workspacePage } from './shell.ts';
import { visitorOf } from './visitor.ts';

/** How long one may look at a collection on its own host before one comes again from the workspace, in seconds. */
const TOKEN_SECONDS = 12 * 3600;

/**
 * `/workspace/open/UUID/PATH`: leads to the file on its collection's own host, with a token that may read that
 * collection and nothing else, until the visitor signs out. So a script in it, whatever it does, acts with no more than it is part of.
 */
export async function openOwn(context: RequestContext, deps: WorkspaceDependencies, uuid: string): Promise<Response> {
  // A route's parameters are text: bytes that are not UTF-8 are in the path alone.
  const path = context.path.slice(`/workspace/open/${uuid}/`.length);
  const origin = ownOriginOf(uuid, context, deps.settings);
  if (origin === null)
    throw new KeepError('not_found', { message: 'No hosts of collections’ own are configured here.' });
  const address = origin + encodePath(stepsInto(path.split('/')));
  const visitor = await visitorOf(context, deps);
  if (visitor === null) return seeOther(`${address}?preview`);
  // A page of another site must not make tokens.
  if (!['same-origin', 'none', null].includes(context.request.headers.get('Sec-Fetch-Site'))) {
    const body = html`<h1>Open</h1><p><a class="button main" href="${context.url.pathname}">Open ${visible(path)}</a></p>`;
    return workspacePage(context, visitor, { title: 'Open', body });
  }
  const scopes = scopesForSession(sharingScopes(uuid), visitor);
  const made = await ask(context, deps, visitor.token, 'api_client_authorizations', {
    method: 'POST',
    body: {
      api_client_authorization: { scopes, expires_at: new Date((context.now + TOKEN_SECONDS) * 1000).toISOString() },
    },
  });
  return seeOther(`${address}?preview&api_token=${encodeURIComponent(`v2/${made.uuid}/${made.api_token}`)}`);
}
