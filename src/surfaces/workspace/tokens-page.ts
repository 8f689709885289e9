import type { RequestContext } from '../../http/context.ts';
import { clientScheme } from '../../http/session-cookie.ts';
import { html, type Markup } from '../../pages/markup.ts';
import { formatTime } from '../../pages/numbers.ts';
import { ApiProblem, ask, askOrNull, type Json } from './api.ts';
import type { WorkspaceDependencies } from './dependencies.ts';
import { field, readForm, seeOther } from './forms.ts';
import { notice, problem, workspacePage } from './shell.ts';
import { ENTER_SCOPE, signInPage } from './sign-in.ts';
import { type Visitor, visitorOf } from './visitor.ts';

const SHOWN = 200;
const INVITATION_SECONDS = 7 * 86_400;

/** What the page says of what was just made: it is shown this once. */
interface Said {
  secret?: string;
  about?: string;
  wrong?: string;
}

/** `/workspace/tokens`: the visitor's tokens; admins also make users, and links that sign them in. */
export async function showTokens(context: RequestContext, deps: WorkspaceDependencies): Promise<Response> {
  const visitor = await visitorOf(context, deps);
  return visitor === null ? signInPage(context, deps, null) : tokensPage(context, deps, visitor, {});
}

export async function changeTokens(context: RequestContext, deps: WorkspaceDependencies): Promise<Response> {
  const form = await readForm(context);
  const visitor = await visitorOf(context, deps);
  if (visitor === null) return signInPage(context, deps, null, { next: '/' });
  try {
    return await change(context, deps, visitor, form);
  } catch (error) {
    if (error instanceof ApiProblem && error.status < 500)
      return tokensPage(context, deps, visitor, { wrong: error.message });
    throw error;
  }
}

async function change(
  context: RequestContext,
  deps: WorkspaceDependencies,
  visitor: Visitor,
  form: URLSearchParams,
): Promise<Response> {
  const { token } = visitor;
  const action = field(form, 'action');
  const make = (owner: string | null, seconds: number | null, scopes: string[]) =>
    ask(context, deps, token, 'api_client_authorizations', {
      method: 'POST',
      body: {
        api_client_authorization: {
          ...(owner === null ? {} : { owner_uuid: owner }),
          scopes,
          expires_at: seconds === null ? null : new Date((context.now + seconds) * 1000).toISOString(),
        },
      },
    });
  if (action === 'token') {
    const days = Math.trunc(Number(field(form, 'days')));
    const reads = field(form, 'scope') === 'read';
    const made = await make(
      null,
      days > 0 ? days * 86_400 : null,
      reads ? ['GET /', 'HEAD /', 'OPTIONS /', 'PROPFIND /'] : ['all'],
    );
    return tokensPage(context, deps, visitor, { about: 'Your new token, shown this once:', secret: secretOf(made) });
  }
  if (action === 'revoke') {
    await ask(context, deps, token, `api_client_authorizations/${encodeURIComponent(field(form, 'token'))}`, {
      method: 'DELETE',
    });
    return seeOther('/workspace/tokens');
  }
  if (action === 'invite' && visitor.user.isAdmin) {
    const user = await inviteeOf(context, deps, token, form);
    const made = await make(user.uuid, INVITATION_SECONDS, [ENTER_SCOPE]);
    const origin = `${clientScheme(context.request, context.url)}://${context.url.host}`;
    const secret = `${origin}/workspace/enter?code=${encodeURIComponent(secretOf(made))}`;
    return tokensPage(context, deps, visitor, {
      about: `Send this link to ${user.full_name || user.username || user.email}: it signs them in, once, within 7 days.`,
      secret,
    });
  }
  return seeOther('/workspace/tokens');
}

/** The user with this e-mail address, made if there is none. */
async function inviteeOf(
  context: RequestContext,
  deps: WorkspaceDependencies,
  token: string,
  form: URLSearchParams,
): Promise<Json> {
  const email = field(form, 'email').toLowerCase();
  const found = await ask(context, deps, token, 'users', {
    query: { filters: [['email', '=', email]], limit: 1, count: 'none' },
  });
  if (found.items[0] !== undefined) return found.items[0];
  const user = {
    email,
    username: (field(form, 'username') || email.replace(/@.*$/, '')).toLowerCase().replace(/[^a-z0-9]/g, ''),
    first_name: field(form, 'first_name'),
    last_name: field(form, 'last_name'),
    is_active: true,
  };
  return ask(context, deps, token, 'users', { method: 'POST', body: { user } });
}

function secretOf({ uuid, api_token }: Json): string {
  return `v2/${uuid}/${api_token}`;
}

async function tokensPage(
  context: RequestContext,
  deps: WorkspaceDependencies,
  visitor: Visitor,
  { secret, about, wrong }: Said,
): Promise<Response> {
  const query = {
    filters: [['owner_uuid', '=', visitor.user.uuid]],
    limit: SHOWN,
    order: 'created_at desc',
    count: 'none',
  };
  const tokens: Json[] =
    (await askOrNull(context, deps, visitor.token, 'api_client_authorizations', { query }))?.items ?? [];
  const body = html`<h1>Tokens</h1>${wrong !== undefined && problem(wrong)}${
    secret !== undefined &&
    notice(
      html`${about} <code class="secret" id="secret">${secret}</code><button type="button" data-copy="secret" hidden>Copy</button>`,
    )
  }<p class="lead">A token opens what you may read and change, for programs and other machines: <code>ARVADOS_API_TOKEN</code>. Keep it like a password.</p>
<form class="rowform" method="post"><input type="hidden" name="action" value="token"><label>It may<select name="scope"><option value="all">all that I may</option><option value="read">only read</option></select></label><label>Ends after<select name="days"><option value="30">30 days</option><option value="365" selected>a year</option><option value="0">never</option></select></label><button class="main">Make a token</button></form>
<h2>Yours</h2>${tokenTable(tokens, visitor.token.split('/')[1] ?? '')}${visitor.user.isAdmin && inviteForm()}`;
  return workspacePage(context, visitor, { title: 'Tokens', body });
}

function tokenTable(tokens: Json[], own: string): Markup {
  const rows = tokens.map(
    ({ uuid, scopes, created_at, expires_at, last_used_at }) =>
      html`<tr><td><code>${uuid}</code>${uuid === own && ' (this browser)'}</td><td>${nameOfScopes(scopes)}</td><td>${formatTime(created_at)}</td><td>${expires_at ? formatTime(expires_at) : 'never'}</td><td>${last_used_at ? formatTime(last_used_at) : ''}</td><td class="act"><form method="post"><input type="hidden" name="action" value="revoke"><input type="hidden" name="token" value="${uuid}"><button>Revoke</button></form></td></tr>`,
  );
  return html`<div class="scroll"><table class="plain"><thead><tr><th>Token</th><th>May</th><th>Made</th><th>Ends</th><th>Last used</th><th class="act"><span class="unseen">Action</span></th></tr></thead><tbody>${rows}</tbody></table></div>`;
}

function nameOfScopes(scopes: string[]): string {
  if (scopes.includes('all')) return 'everything';
  if (scopes.includes(ENTER_SCOPE)) return 'sign in once';
  const collection = scopes
    .map((scope) => /^GET \/arvados\/v1\/collections\/([0-9a-z-]+)$/.exec(scope)?.[1])
    .find(Boolean);
  return collection === undefined ? scopes.join(', ').slice(0, 60) : `read ${collection}`;
}

function inviteForm(): Markup {
  return html`<h2 id="invite">Invite a person</h2><p class="soft">Makes an account for this e-mail address if there is none, and a link that signs its owner in once.</p>
<form class="rowform" method="post"><input type="hidden" name="action" value="invite"><label>E-mail address<input name="email" type="email" required></label><label>User name<input name="username" placeholder="from the address"></label><label>First name<input name="first_name"></label><label>Last name<input name="last_name"></label><button class="main">Make a link</button></form>`;
}
