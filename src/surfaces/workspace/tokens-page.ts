import type { RequestContext } from '../../http/context.ts';
import { clientScheme } from '../../http/session-cookie.ts';
import { KeepError } from '../../keep/errors.ts';
import { type Content, html, type Markup } from '../../pages/markup.ts';
import { formatSize, formatTime } from '../../pages/numbers.ts';
import { ApiProblem, ask, askOrNull, type Json } from './api.ts';
import type { CallService, WorkspaceDependencies } from './dependencies.ts';
import { field, readForm, seeOther } from './forms.ts';
import { isForSession } from './session.ts';
import { notice, problem, workspacePage } from './shell.ts';
import { ENTER_SCOPE } from './sign-in.ts';
import { requireVisitor, type Visitor } from './visitor.ts';

const SHOWN = 200;
const GIB = 2 ** 30;
const INVITATION_SECONDS = 7 * 86_400;

/** What the page says of what was just made: it is shown this once. */
interface Said {
  secret?: string;
  about?: string;
  wrong?: string;
}

/** Whose tokens are shown: the visitor's, or those of the user whom an admin looks at. */
interface Subject {
  /** Null: the visitor. */
  user: Json | null;
  uuid: string;
}

/**
 * `/workspace/tokens`: the visitor's tokens; admins also make users, and links that sign them in. `?user=UUID`, for admins: another
 * user's tokens, and how much they may store.
 */
export async function showTokens(
  context: RequestContext,
  deps: WorkspaceDependencies,
  service: CallService,
): Promise<Response> {
  const visitor = await requireVisitor(context, deps);
  const subject = await subjectOf(context, deps, visitor, context.url.searchParams.get('user') ?? '');
  return tokensPage(context, deps, service, visitor, subject, {});
}

export async function changeTokens(
  context: RequestContext,
  deps: WorkspaceDependencies,
  service: CallService,
): Promise<Response> {
  const form = await readForm(context);
  const visitor = await requireVisitor(context, deps);
  const subject = await subjectOf(context, deps, visitor, field(form, 'user'));
  try {
    const said = await change(context, deps, service, visitor, subject, form);
    return said === null
      ? seeOther(`/workspace/tokens${subject.user === null ? '' : `?user=${subject.uuid}`}`)
      : await tokensPage(context, deps, service, visitor, subject, said);
  } catch (error) {
    if (error instanceof ApiProblem && error.status < 500)
      return tokensPage(context, deps, service, visitor, subject, { wrong: error.message });
    throw error;
  }
}

/** @throws ApiProblem where the visitor may not see that user; KeepError forbidden for who is no admin */
async function subjectOf(
  context: RequestContext,
  deps: WorkspaceDependencies,
  { user, token }: Visitor,
  uuid: string,
): Promise<Subject> {
  if (uuid === '' || uuid === user.uuid) return { user: null, uuid: user.uuid };
  if (!user.isAdmin) throw new KeepError('forbidden', { message: 'Tokens of others are for admins.' });
  return { user: await ask(context, deps, token, `users/${encodeURIComponent(uuid)}`), uuid };
}

/** What to say of it; null when nothing needs to be said. */
async function change(
  context: RequestContext,
  deps: WorkspaceDependencies,
  service: CallService,
  visitor: Visitor,
  subject: Subject,
  form: URLSearchParams,
): Promise<Said | null> {
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
      subject.user === null ? null : subject.uuid,
      days > 0 ? days * 86_400 : null,
      reads ? ['GET /', 'HEAD /', 'OPTIONS /', 'PROPFIND /'] : ['all'],
    );
    const about =
      subject.user === null
        ? 'Your new token, shown this once:'
        : `A token of ${nameOf(subject.user)}, shown this once:`;
    return { about, secret: secretOf(made) };
  }
  if (action === 'revoke') {
    await ask(context, deps, token, `api_client_authorizations/${encodeURIComponent(field(form, 'token'))}`, {
      method: 'DELETE',
    });
    return null;
  }
  if (action === 'room') {
    const gib = Number(field(form, 'gib').replace(',', '.'));
    if (!Number.isFinite(gib) || gib < 0) return { wrong: 'The room is a number of GiB, or nothing for no limit.' };
    const bytes = field(form, 'gib') === '' ? null : Math.round(gib * GIB);
    const answer = await service(token, `/keep-edge/v1/quotas/${subject.uuid}`, { bytes });
    return answer.ok ? null : { wrong: (await answer.text()).trim() };
  }
  if (action === 'invite' && visitor.user.isAdmin) {
    const user = await inviteeOf(context, deps, token, form);
    const made = await make(user.uuid, INVITATION_SECONDS, [ENTER_SCOPE]);
    const origin = `${clientScheme(context.request, context.url)}://${context.url.host}`;
    const secret = `${origin}/workspace/enter?code=${encodeURIComponent(secretOf(made))}`;
    return { about: `Send this link to ${nameOf(user)}: it signs them in, once, within 7 days.`, secret };
  }
  return null;
}

function nameOf({ full_name, username, email }: Json): string {
  return full_name || username || email;
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
    username: (field(form, 'username') || (email.split('@', 1)[0] ?? '')).toLowerCase().replace(/[^a-z0-9]/g, ''),
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
  service: CallService,
  visitor: Visitor,
  { user, uuid }: Subject,
  { secret, about, wrong }: Said,
): Promise<Response> {
  const query = {
    filters: [['owner_uuid', '=', uuid]],
    limit: SHOWN,
    order: 'created_at desc',
    count: 'none',
  };
  const tokens: Json[] =
    (await askOrNull(context, deps, visitor.token, 'api_client_authorizations', { query }))?.items ?? [];
  const whose = user !== null && html`<input type="hidden" name="user" value="${uuid}">`;
  const room = user === null ? null : await roomForm(service, visitor.token, uuid);
  const title = user === null ? 'Tokens' : `Tokens of ${nameOf(user)}`;
  const body = html`${user !== null && html`<nav class="crumbs" aria-label="Path"><a href="/workspace/operator#users">Operator</a></nav>`}<h1>${title}</h1>${wrong !== undefined && problem(wrong)}${
    secret !== undefined &&
    notice(
      html`${about} <code class="secret" id="secret">${secret}</code><button type="button" data-copy="secret" hidden>Copy</button>`,
    )
  }<p class="lead">A token opens what ${user === null ? 'you' : nameOf(user)} may read and change, for programs and other machines: <code>ARVADOS_API_TOKEN</code>. Keep it like a password.</p>
<form class="rowform" method="post"><input type="hidden" name="action" value="token">${whose}<label>It may<select name="scope"><option value="all">all that ${user === null ? 'I' : 'they'} may</option><option value="read">only read</option></select></label><label>Ends after<select name="days"><option value="30">30 days</option><option value="365" selected>a year</option><option value="0">never</option></select></label><button class="main">Make a token</button></form>
<h2>${user === null ? 'Yours' : 'Theirs'}</h2>${tokenTable(tokens, visitor.token.split('/')[1] ?? '', whose)}${room}${user === null && visitor.user.isAdmin && inviteForm()}`;
  return workspacePage(context, visitor, { title, body });
}

function tokenTable(tokens: Json[], own: string, whose: Content): Markup {
  const rows = tokens.map(
    ({ uuid, scopes, created_at, expires_at, last_used_at }) =>
      html`<tr><td><code>${uuid}</code>${uuid === own && ' (this browser)'}</td><td>${nameOfScopes(scopes)}</td><td>made ${formatTime(created_at)}</td><td>${expires_at ? `ends ${formatTime(expires_at)}` : 'does not end'}</td><td>${last_used_at ? `used ${formatTime(last_used_at)}` : 'not used yet'}</td><td class="act"><form method="post"><input type="hidden" name="action" value="revoke"><input type="hidden" name="token" value="${uuid}">${whose}<button aria-label="Revoke ${uuid}">Revoke</button></form></td></tr>`,
  );
  if (tokens.length === 0) return html`<p class="soft">None.</p>`;
  return html`<div class="scroll" tabindex="0" role="region" aria-label="Tokens"><table class="plain stack"><thead><tr><th>Token</th><th>May</th><th>Made</th><th>Ends</th><th>Last used</th><th class="act"><span class="unseen">Action</span></th></tr></thead><tbody>${rows}</tbody></table></div>`;
}

function nameOfScopes(scopes: string[]): string {
  if (scopes.includes('all')) return 'everything';
  if (scopes.includes(ENTER_SCOPE)) return 'sign in once';
  const collection = scopes
    .map((scope) => /^GET \/arvados\/v1\/collections\/([0-9a-z-]+)$/.exec(scope)?.[1])
    .find(Boolean);
  if (collection !== undefined && isForSession(scopes))
    return `open files of ${collection} in this browser, until you sign out`;
  return collection === undefined ? scopes.join(', ').slice(0, 60) : `read ${collection}`;
}

function inviteForm(): Markup {
  return html`<h2 id="invite">Invite a person</h2><p class="soft">Makes an account for this e-mail address if there is none, and a link that signs its owner in once.</p>
<form class="rowform" method="post"><input type="hidden" name="action" value="invite"><label>E-mail address<input name="email" type="email" required></label><label>User name<input name="username" placeholder="from the address"></label><label>First name<input name="first_name"></label><label>Last name<input name="last_name"></label><button class="main">Make a link</button></form>`;
}

/** How much a user may store, where the balancer counts it. */
async function roomForm(service: CallService, token: string, uuid: string): Promise<Markup> {
  const answer = await service(token, `/keep-edge/v1/usage?uuid=${uuid}`).catch(() => null);
  const use: Json = answer?.ok ? await answer.json() : null;
  const quota: number | null = use?.quota ?? null;
  return html`<h2 id="room">Room</h2><p class="soft">${
    use === null
      ? 'The balancer has counted nothing of this user yet.'
      : `${formatSize(Number(use.bytes))} used${use.measured_at ? ` on ${formatTime(use.measured_at)}` : ''}, ${quota === null ? 'no limit' : `of ${formatSize(quota)}`}.`
  } What is over the limit stays; new data is refused (507).</p>
<form class="rowform" method="post"><input type="hidden" name="action" value="room"><input type="hidden" name="user" value="${uuid}"><label>At most, in GiB<input name="gib" inputmode="decimal" value="${quota === null ? '' : String(quota / GIB)}" placeholder="no limit"></label><button>Set</button></form>`;
}
