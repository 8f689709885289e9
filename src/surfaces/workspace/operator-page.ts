import type { RequestContext } from '../../http/context.ts';
import { recentErrors } from '../../http/recent-errors.ts';
import { KeepError } from '../../keep/errors.ts';
import { html, type Markup } from '../../pages/markup.ts';
import { formatTime } from '../../pages/numbers.ts';
import { ask, askOrNull, type Json } from './api.ts';
import type { CallService, WorkspaceDependencies } from './dependencies.ts';
import { type Figures, parseMetrics } from './figures.ts';
import { field, readForm, seeOther } from './forms.ts';
import {
  balanceSection,
  cacheSection,
  mountsSection,
  queuesSection,
  requestsSection,
  usageSection,
} from './operator-sections.ts';
import { workspacePage } from './shell.ts';
import { signInPage } from './sign-in.ts';
import { type Visitor, visitorOf } from './visitor.ts';

const SHOWN_USERS = 500;

/** `/workspace/operator`: how the service goes, for admins. */
export async function operatorPage(
  context: RequestContext,
  deps: WorkspaceDependencies,
  service: CallService,
): Promise<Response> {
  const visitor = await adminOf(context, deps);
  if (visitor instanceof Response) return visitor;
  const { rootToken, remarks, besideCluster } = deps.settings;
  const json = async (token: string, path: string): Promise<Json | null> => {
    const answer = await service(token, path).catch(() => null);
    return answer?.ok ? answer.json().catch(() => null) : null;
  };
  const [mounts, pull, trash, balance, usage, figures, users] = await Promise.all([
    json(rootToken, '/mounts'),
    json(rootToken, '/pull'),
    json(rootToken, '/trash'),
    json(visitor.token, '/keep-edge/v1/balance'),
    json(visitor.token, '/keep-edge/v1/usage?limit=10'),
    figuresOf(visitor, deps, service),
    usersOf(context, deps, visitor),
  ]);
  const body = html`<h1>Operator</h1>
<nav class="crumbs" aria-label="On this page"><a href="#requests">Requests</a> · <a href="#mounts">Mounts</a> · <a href="#queues">Queues</a> · <a href="#balancer">Balancer</a> · <a href="#usage">Usage</a> · <a href="#errors">Errors</a> · <a href="#users">Users</a> · <a href="#settings">Settings</a></nav>
${requestsSection(figures.series, figures.everywhere)}${cacheSection(figures.series)}${mountsSection(mounts, figures.series, usage, balance)}${queuesSection(pull, trash)}${balanceSection(balance)}${usageSection(usage)}${errorsSection()}
${usersSection(users, besideCluster)}
<h2 id="settings">Settings</h2>${remarks.length === 0 ? html`<p>Nothing stands out.</p>` : html`<ul>${remarks.map((remark) => html`<li>${remark}</li>`)}</ul>`}`;
  return workspacePage(context, visitor, { title: 'Operator', body });
}

/** `POST`: lets a user in, or out. */
export async function changeUser(context: RequestContext, deps: WorkspaceDependencies): Promise<Response> {
  const form = await readForm(context);
  const visitor = await adminOf(context, deps);
  if (visitor instanceof Response) return visitor;
  const uuid = encodeURIComponent(field(form, 'user'));
  const path = field(form, 'action') === 'deactivate' ? `users/${uuid}/unsetup` : `users/${uuid}/activate`;
  await ask(context, deps, visitor.token, path, { method: 'POST', body: {} });
  return seeOther('/workspace/operator#users');
}

async function adminOf(context: RequestContext, deps: WorkspaceDependencies): Promise<Visitor | Response> {
  const visitor = await visitorOf(context, deps);
  if (visitor === null) return signInPage(context, deps, null);
  const account = await deps.identify(visitor.token, context.signal);
  // A token for some requests only is not let in: this page says much at once.
  if (visitor.user.isAdmin && account?.scopes.includes('all')) return visitor;
  throw new KeepError('forbidden', { message: 'This page is for admins.' });
}

/** Of all isolates where they are gathered, else of this one. */
async function figuresOf(
  { token }: Visitor,
  { settings }: WorkspaceDependencies,
  service: CallService,
): Promise<{ series: Figures; everywhere: boolean }> {
  const gathered = await service(token, '/keep-edge/v1/figures').catch(() => null);
  if (gathered?.ok) {
    const { series = {} } = (await gathered.json()) as { series?: Record<string, number> };
    return { series: new Map(Object.entries(series)), everywhere: true };
  }
  if (settings.managementToken === null) return { series: new Map(), everywhere: false };
  const answer = await service(settings.managementToken, '/metrics').catch(() => null);
  return { series: answer?.ok ? parseMetrics(await answer.text()) : new Map(), everywhere: false };
}

async function usersOf(context: RequestContext, deps: WorkspaceDependencies, { token }: Visitor): Promise<Json[]> {
  const query = { limit: SHOWN_USERS, order: 'username', count: 'none', filters: [['username', '!=', null]] };
  return (await askOrNull(context, deps, token, 'users', { query }))?.items ?? [];
}

function errorsSection(): Markup {
  const errors = recentErrors();
  const rows = errors.map(
    ({ time, requestId, method, path, status, message }) =>
      html`<tr><td>${formatTime(time)}</td><td><code>${requestId}</code></td><td>${method} <code>${path}</code></td><td class="size bad">${status}</td><td>${message}</td></tr>`,
  );
  return html`<h2 id="errors">Recent errors</h2>${
    errors.length === 0
      ? html`<p class="soft">None in the isolate that made this page. The logs have those of all.</p>`
      : html`<p class="soft">Of the isolate that made this page; the logs have those of all.</p><div class="scroll"><table class="plain"><thead><tr><th>Time</th><th>Request</th><th>What</th><th class="size">Status</th><th>Message</th></tr></thead><tbody>${rows}</tbody></table></div>`
  }`;
}

function usersSection(users: Json[], besideCluster: boolean): Markup {
  const rows = users.map((user) => {
    const action = user.is_active ? 'deactivate' : 'activate';
    return html`<tr><td>${user.full_name || user.username}<br><small class="soft">${user.username}</small></td><td>${user.email}</td><td>${user.is_admin ? 'admin' : user.is_active ? 'active' : 'not active'}</td><td class="act">${!user.is_admin && html`<form method="post"><input type="hidden" name="user" value="${user.uuid}"><input type="hidden" name="action" value="${action}"><button>${action === 'activate' ? 'Activate' : 'Deactivate'}</button></form>`}</td></tr>`;
  });
  return html`<h2 id="users">Users</h2>${besideCluster && html`<p class="soft">The cluster’s.</p>`}<div class="bar"><a class="button" href="/workspace/tokens#invite">Invite a person</a><a class="button" href="/workspace/tokens">Tokens</a></div>
<div class="scroll"><table class="plain"><thead><tr><th>Name</th><th>E-mail</th><th>State</th><th class="act"><span class="unseen">Action</span></th></tr></thead><tbody>${rows}</tbody></table></div>`;
}
