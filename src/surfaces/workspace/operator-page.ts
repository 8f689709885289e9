import type { Facts, Finding } from '../../deployment/finding.ts';
import { judgeDeployment } from '../../deployment/judge-deployment.ts';
import type { RequestContext } from '../../http/context.ts';
import { KeepError } from '../../keep/errors.ts';
import { html, type Markup } from '../../pages/markup.ts';
import { formatCount, formatSize, formatTime } from '../../pages/numbers.ts';
import { ask, askOrNull, type Json } from './api.ts';
import type { CallService, WorkspaceDependencies } from './dependencies.ts';
import { type Figures, parseMetrics, samplesOf, sumBy } from './figures.ts';
import { field, readForm, seeOther } from './forms.ts';
import { cacheSection, mountsSection, requestsSection } from './operator-sections.ts';
import { card, number, scrollTable, section } from './operator-widgets.ts';
import { balanceSection, queuesSection, usageSection } from './operator-work.ts';
import { workspacePage } from './shell.ts';
import { requireVisitor, type Visitor } from './visitor.ts';

const SHOWN_USERS = 500;
const SHOWN_OWNERS = 10;
const SECTIONS = [
  'settings',
  'requests',
  'limits',
  'caches',
  'mounts',
  'queues',
  'balancer',
  'usage',
  'errors',
  'users',
];

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
  const of = (subject: string) => json(visitor.token, `/keep-edge/v1/${subject}`);
  const [mounts, queues, balance, usage, errors, limits, deployment, figures, users] = await Promise.all([
    json(rootToken, '/mounts'),
    of('queues'),
    of('balance'),
    of(`usage?limit=${SHOWN_OWNERS}`),
    of('errors'),
    of('limits'),
    of('deployment'),
    figuresOf(visitor, deps, service),
    usersOf(context, deps, visitor),
  ]);
  const names = new Map(users.map(({ uuid, full_name, username }): [string, string] => [uuid, full_name || username]));
  const links = SECTIONS.map(
    (id, i) => html`${i > 0 && ' · '}<a href="#${id}">${id[0]?.toUpperCase()}${id.slice(1)}</a>`,
  );
  const body = html`<h1>Operator</h1><nav class="crumbs" aria-label="On this page">${links}</nav>
${settingsSection(remarks, deployment, context.url.origin)}${requestsSection(figures.series, figures.hours)}${limitsSection(limits, figures.series)}${cacheSection(figures.series)}${mountsSection(mounts, figures.series, balance)}${queuesSection(queues)}${balanceSection(balance)}${usageSection(usage, names)}${errorsSection(errors)}${usersSection(users, besideCluster)}`;
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
  const visitor = await requireVisitor(context, deps);
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
): Promise<{ series: Figures; hours: Json[] | null }> {
  const gathered = await service(token, '/keep-edge/v1/figures').catch(() => null);
  if (gathered?.ok) {
    const { series = {}, hours = [] } = (await gathered.json()) as { series?: Record<string, number>; hours?: Json[] };
    return { series: new Map(Object.entries(series)), hours };
  }
  if (settings.managementToken === null) return { series: new Map(), hours: null };
  const answer = await service(settings.managementToken, '/metrics').catch(() => null);
  return { series: answer?.ok ? parseMetrics(await answer.text()) : new Map(), hours: null };
}

async function usersOf(context: RequestContext, deps: WorkspaceDependencies, { token }: Visitor): Promise<Json[]> {
  const query = { limit: SHOWN_USERS, order: 'username', count: 'none', filters: [['username', '!=', null]] };
  return (await askOrNull(context, deps, token, 'users', { query }))?.items ?? [];
}

/** What `keep-edge doctor` finds in the deployment, as the service sees itself. */
function settingsSection(remarks: string[], deployment: Facts | null, origin: string): Markup {
  const findings = deployment === null ? [] : judgeDeployment(deployment, { apiUrl: origin, now: Date.now() });
  const found = (wanted: Finding['state']) => findings.filter(({ state }) => state === wanted);
  const problems = found('bad').map(
    ({ what, advice }) =>
      html`<li><span class="bad">Problem.</span> ${what}.${advice && html` <span class="soft">${advice}</span>`}</li>`,
  );
  const notes = [
    ...found('unknown').map(
      ({ what, advice }) => html`<li>${what}.${advice && html` <span class="soft">${advice}</span>`}</li>`,
    ),
    ...remarks.map((remark) => html`<li>${remark}</li>`),
  ];
  const good = found('good').map(({ what }) => html`<li>${what}</li>`);
  return section(
    'settings',
    'Settings',
    html`${problems.length === 0 ? html`<p>No problems.</p>` : html`<ul>${problems}</ul>`}${
      notes.length > 0 && html`<h3>Worth knowing</h3><ul>${notes}</ul>`
    }${good.length > 0 && html`<details><summary>${formatCount(good.length, 'check')} found all well</summary><div><ul>${good}</ul></div></details>`}`,
  );
}

function limitsSection(limits: Json | null, figures: Figures): Markup {
  const refused = sumBy(samplesOf(figures, 'keep_edge_refused_requests_total'), ({ limit = '' }) => limit);
  const names: string[] = limits?.limits ?? [];
  const day = limits?.anonymous_egress ?? null;
  const rows = [...new Set([...names, ...refused.keys()])].map((name) => [
    name.replaceAll('_', ' '),
    names.includes(name) ? 'yes' : '',
    number(refused.get(name) ?? 0),
  ]);
  return section(
    'limits',
    'Limits',
    html`${rows.length === 0 ? html`<p class="soft">No limits of requests are bound: docs/operate.md says how.</p>` : scrollTable('Limits', ['Requests by', 'Bound', '#Refused'], rows)}${
      day !== null &&
      html`<div class="cards">${card(formatSize(Number(day.bytes)), `sent to the public on ${day.day}${day.cap ? `, of ${formatSize(Number(day.cap))} a day` : ''}`)}</div>`
    }`,
  );
}

function errorsSection(answer: Json | null): Markup {
  const errors: Json[] = answer?.errors ?? [];
  const where = answer?.of === 'all isolates' ? 'Of all isolates' : 'Of the isolate that made this page';
  const rows = errors.map(({ time, request_id, method, path, status, message }) => [
    formatTime(time),
    html`<code>${request_id}</code>`,
    html`${method} <code>${path}</code>`,
    { content: status, isBad: true },
    message,
  ]);
  return section(
    'errors',
    'Recent errors',
    errors.length === 0
      ? html`<p class="soft">${where}: none.</p>`
      : html`<p class="soft">${where}, newest first. The logs have every line of a request under its id.</p>${scrollTable('Recent errors', ['Time', 'Request', 'What', '#Status', 'Message'], rows)}`,
  );
}

function usersSection(users: Json[], besideCluster: boolean): Markup {
  const rows = users.map((user) => {
    const action = user.is_active ? 'deactivate' : 'activate';
    const who = user.full_name || user.username;
    return [
      html`${who}<br><small class="soft">${user.username}</small>`,
      user.email,
      user.is_admin ? 'admin' : user.is_active ? 'active' : 'not active',
      html`<a href="/workspace/tokens?user=${user.uuid}" aria-label="Tokens and room of ${who}">Tokens, room</a>`,
      !user.is_admin &&
        html`<form method="post"><input type="hidden" name="user" value="${user.uuid}"><input type="hidden" name="action" value="${action}"><button aria-label="${action} ${who}">${action === 'activate' ? 'Activate' : 'Deactivate'}</button></form>`,
    ];
  });
  return section(
    'users',
    'Users',
    html`${besideCluster && html`<p class="soft">The cluster’s.</p>`}<div class="bar"><a class="button" href="/workspace/tokens#invite">Invite a person</a><a class="button" href="/workspace/tokens">Your tokens</a></div>${scrollTable('Users', ['Name', 'E-mail', 'State', 'May use', 'Change'], rows)}`,
  );
}
