import type { RequestContext } from '../../http/context.ts';
import { wasMadeHere } from '../../http/session-cookie.ts';
import { ask, askAll, type Json } from './api.ts';
import type { WorkspaceDependencies } from './dependencies.ts';
import { type Visitor, visitorOf } from './visitor.ts';

/** How long one stays signed in, in seconds. */
const SESSION_SECONDS = 14 * 86_400;
/** A scope that opens nothing: it says which session a token was made for, and so ends with. */
const MADE_FOR = 'GET /workspace/session/';
const MOST = 1000;
/** Each takes a request to the API: more than these end by themselves. */
const MOST_REVOKED = 100;

/** A new token of the user, which ends by itself. */
export async function createSession(
  context: RequestContext,
  deps: WorkspaceDependencies,
  userUuid: string,
): Promise<string> {
  const expires_at = new Date(context.now * 1000 + SESSION_SECONDS * 1000).toISOString();
  const made = await ask(context, deps, deps.settings.rootToken, 'api_client_authorizations', {
    method: 'POST',
    body: { api_client_authorization: { owner_uuid: userUuid, expires_at } },
  });
  return `v2/${made.uuid}/${made.api_token}`;
}

/** Scopes of a token that ends when the visitor signs out. */
export function scopesForSession(scopes: string[], { tokenUuid }: Visitor): string[] {
  return tokenUuid === null ? scopes : [...scopes, MADE_FOR + tokenUuid];
}

/** What a token's scopes say of the session that it was made for; null for other tokens. */
export function isForSession(scopes: readonly string[]): boolean {
  return scopes.some((scope) => scope.startsWith(MADE_FOR));
}

/** Revokes what was handed out for the request's session, and its token when a sign-in here made it. */
export async function endSession(context: RequestContext, deps: WorkspaceDependencies): Promise<void> {
  const visitor = await visitorOf(context, deps);
  if (visitor === null || visitor.tokenUuid === null) return;
  const { token, tokenUuid, user } = visitor;
  const query = {
    filters: [['owner_uuid', '=', user.uuid]],
    order: ['created_at desc'],
    select: ['uuid', 'scopes', 'expires_at'],
  };
  // Clusters may refuse to list tokens: these then end after their hours.
  const tokens = await askAll(context, deps, token, 'api_client_authorizations', query, MOST).catch((): Json[] => []);
  const handedOut = tokens
    .filter(({ scopes }) => scopes?.includes(MADE_FOR + tokenUuid))
    .filter(({ expires_at }) => !(Date.parse(expires_at) <= context.now * 1000))
    .map(({ uuid }) => String(uuid))
    .slice(0, MOST_REVOKED);
  const revoke = (by: string, uuid: string) =>
    ask(context, deps, by, `api_client_authorizations/${uuid}`, { method: 'DELETE' }).then(
      () => true,
      () => false,
    );
  // Its own first: the others may take more requests than one answer is allowed. It cannot revoke them after that.
  const isRevoked = wasMadeHere(context.request) && (await revoke(token, tokenUuid));
  for (const uuid of handedOut) await revoke(isRevoked ? deps.settings.rootToken : token, uuid);
}
