import type { RequestContext } from '../../http/context.ts';
import { clientScheme } from '../../http/session-cookie.ts';
import { html, type Markup, visible } from '../../pages/markup.ts';
import { formatCount, formatTime } from '../../pages/numbers.ts';
import { ApiProblem, ask, askOrNull, type Json } from './api.ts';
import { permissionsOf } from './audience.ts';
import type { WorkspaceDependencies } from './dependencies.ts';
import { kindOf, pathOf } from './edit.ts';
import { field, readForm, seeOther } from './forms.ts';
import { nameOf, placeOf } from './records-table.ts';
import { notice, problem, workspacePage } from './shell.ts';
import { requireVisitor, type Visitor } from './visitor.ts';

const LEVELS: Record<string, string> = {
  can_read: 'may read',
  can_write: 'may change',
  can_manage: 'may change and share',
};
const PUBLIC = 'anonymouspublic';
const EVERYONE = 'fffffffffffffff';
const MAX_DAYS = 3650;

/** What the page says above its forms. */
interface Said {
  wrong?: string;
  /** The address of a link just made: it is shown this once. */
  link?: string;
}

/** `/workspace/share/UUID`: who may see it, and what makes that more or less. */
export async function showShare(context: RequestContext, deps: WorkspaceDependencies, uuid: string): Promise<Response> {
  return sharePage(context, deps, await requireVisitor(context, deps), uuid, {});
}

/** `POST`: one form's change. */
export async function changeShare(
  context: RequestContext,
  deps: WorkspaceDependencies,
  uuid: string,
): Promise<Response> {
  const form = await readForm(context);
  const visitor = await requireVisitor(context, deps);
  const { token } = visitor;
  const action = field(form, 'action');
  try {
    if (action === 'add') {
      const tail = await recipientOf(context, deps, visitor, field(form, 'who'));
      const name = Object.hasOwn(LEVELS, field(form, 'level')) ? field(form, 'level') : 'can_read';
      const link = {
        link_class: 'permission',
        name: tail.endsWith(PUBLIC) ? 'can_read' : name,
        tail_uuid: tail,
        head_uuid: uuid,
      };
      await ask(context, deps, token, 'links', { method: 'POST', body: { link } });
    } else if (action === 'remove') {
      await ask(context, deps, token, `links/${encodeURIComponent(field(form, 'link'))}`, { method: 'DELETE' });
    } else if (action === 'revoke') {
      await ask(context, deps, token, `sharing_links/${encodeURIComponent(field(form, 'link'))}`, { method: 'DELETE' });
    } else if (action === 'link') {
      const days = Math.trunc(Number(field(form, 'days')));
      const expires_at =
        days > 0 && days <= MAX_DAYS ? new Date((context.now + days * 86_400) * 1000).toISOString() : null;
      const sharing_link = { collection_uuid: uuid, name: field(form, 'name'), expires_at };
      const made = await ask(context, deps, token, 'sharing_links', { method: 'POST', body: { sharing_link } });
      return sharePage(context, deps, visitor, uuid, { link: hereOf(context, String(made.href)) });
    }
  } catch (error) {
    if (error instanceof ApiProblem && error.status < 500)
      return sharePage(context, deps, visitor, uuid, { wrong: error.message });
    throw error;
  }
  return seeOther(`/workspace/share/${uuid}`);
}

async function sharePage(
  context: RequestContext,
  deps: WorkspaceDependencies,
  visitor: Visitor,
  uuid: string,
  { wrong, link }: Said,
): Promise<Response> {
  const { token } = visitor;
  const isCollection = kindOf(uuid) === 'collection';
  const [record, permissions, links] = await Promise.all([
    ask(context, deps, token, pathOf(uuid), { query: { select: ['uuid', 'name', 'owner_uuid', 'can_manage'] } }),
    permissionsOf(context, deps, visitor, uuid),
    isCollection
      ? askOrNull(context, deps, token, 'sharing_links', {
          query: { filters: [['collection_uuid', '=', uuid]], limit: 1000 },
        })
      : null,
  ]);
  const names = await tailNames(context, deps, visitor, permissions ?? []);
  const what = isCollection
    ? 'this collection: its files, names, sizes, description and properties'
    : 'this project and everything in it';
  const body = html`<nav class="crumbs" aria-label="Path"><a href="${placeOf(uuid)}">${visible(nameOf(record))}</a><span>/</span></nav><h1>Share</h1>
${wrong !== undefined && problem(wrong)}${link !== undefined && notice(html`The link, shown this once: <code class="secret" id="new-link">${link}</code><button type="button" data-copy="new-link" hidden>Copy</button>`)}
<h2>People and groups</h2>${
    permissions === null
      ? html`<p class="soft">Only people who may share it see who else has it.</p>`
      : html`<p class="soft">Who may read sees ${what}.</p>${permissions.length === 0 ? html`<p>Shared with no one yet.</p>` : permissionTable(permissions, names)}`
  }
${
  record.can_manage &&
  html`<form class="rowform" method="post"><input type="hidden" name="action" value="add"><label>User name, e-mail address or group<input name="who" required></label><label>May<select name="level"><option value="can_read">read</option><option value="can_write">read and change</option><option value="can_manage">read, change and share</option></select></label><button class="main">Share</button></form>
<div class="bar">${wide('everyone', 'Share with everybody who has an account')}${wide('public', 'Make public: no account needed')}</div>`
}
${isCollection && linksSection(links?.items ?? [])}`;
  return workspacePage(context, visitor, { title: `Share ${nameOf(record)}`, body });
}

function wide(who: string, label: string): Markup {
  return html`<form method="post"><input type="hidden" name="action" value="add"><input type="hidden" name="who" value="${who}"><button>${label}</button></form>`;
}

function permissionTable(permissions: Json[], names: Map<string, string>): Markup {
  const rows = permissions.map(
    ({ uuid, name, tail_uuid }) =>
      html`<tr><td>${names.get(tail_uuid) ?? tail_uuid}</td><td>${LEVELS[name] ?? name}</td><td class="act"><form method="post"><input type="hidden" name="action" value="remove"><input type="hidden" name="link" value="${uuid}"><button aria-label="Remove ${names.get(tail_uuid) ?? tail_uuid}">Remove</button></form></td></tr>`,
  );
  return html`<table class="plain stack"><thead><tr><th>Who</th><th>What</th><th class="act"><span class="unseen">Action</span></th></tr></thead><tbody>${rows}</tbody></table>`;
}

function linksSection(links: Json[]): Markup {
  const rows = links.map(
    ({ uuid, name, expires_at, last_used_at }) =>
      html`<tr><td>${name || 'Without a name'}</td><td>${expires_at ? `until ${formatTime(expires_at)}` : 'does not expire'}</td><td>${last_used_at ? `used ${formatTime(last_used_at)}` : 'not used yet'}</td><td class="act"><form method="post"><input type="hidden" name="action" value="revoke"><input type="hidden" name="link" value="${uuid}"><button aria-label="Revoke ${name || 'the link without a name'}">Revoke</button></form></td></tr>`,
  );
  return html`<h2>Links</h2><p class="soft">Who has the link, and everybody they give it to, can read all files of this collection, as they are now and as they will be, with its name, description and properties, without an account. They can change nothing and see nothing else. It ends when it expires, when it is revoked, or when you lose the collection.</p>
${links.length > 0 && html`<table class="plain stack"><thead><tr><th>Link</th><th>Ends</th><th>Last used</th><th class="act"><span class="unseen">Action</span></th></tr></thead><tbody>${rows}</tbody></table>`}
<form class="rowform" method="post"><input type="hidden" name="action" value="link"><label>For<input name="name" placeholder="reviewers"></label><label>Ends after<select name="days"><option value="7">7 days</option><option value="30" selected>30 days</option><option value="365">a year</option><option value="0">never</option></select></label><button class="main">Make a link</button></form>`;
}

/** The user or role that is meant. @throws ApiProblem with a sentence when there is none, or more than one */
async function recipientOf(
  context: RequestContext,
  deps: WorkspaceDependencies,
  { token, user }: Visitor,
  who: string,
): Promise<string> {
  const cluster = user.uuid.slice(0, 5);
  if (who === 'public') return `${cluster}-j7d0g-${PUBLIC}`;
  if (who === 'everyone') return `${cluster}-j7d0g-${EVERYONE}`;
  if (/^[0-9a-z]{5}-(tpzed|j7d0g)-[0-9a-z]{15}$/.test(who)) return who;
  const find = async (path: string, filters: unknown[]) =>
    (await ask(context, deps, token, path, { query: { filters, limit: 2, count: 'none', select: ['uuid'] } })).items;
  const users = await find('users', [[who.includes('@') ? 'email' : 'username', '=', who]]);
  const groups = await find('groups', [
    ['name', '=', who],
    ['group_class', '=', 'role'],
  ]);
  const [found, another] = [...users, ...groups];
  if (found === undefined) throw new ApiProblem(422, `There is no user and no group called ${who}.`);
  if (another !== undefined)
    throw new ApiProblem(
      422,
      `${formatCount(2, 'user or group', 'users or groups')} and more are called ${who}: give the identifier.`,
    );
  return found.uuid;
}

async function tailNames(
  context: RequestContext,
  deps: WorkspaceDependencies,
  { token }: Visitor,
  permissions: Json[],
): Promise<Map<string, string>> {
  const names = new Map<string, string>();
  const tails = [...new Set(permissions.map(({ tail_uuid }) => String(tail_uuid)))].slice(0, 90);
  for (const path of ['users', 'groups']) {
    const query = { filters: [['uuid', 'in', tails]], limit: tails.length, count: 'none' };
    const found = tails.length === 0 ? null : await askOrNull(context, deps, token, path, { query });
    for (const item of found?.items ?? [])
      names.set(item.uuid, item.full_name || item.username || item.name || item.uuid);
  }
  for (const tail of tails) {
    if (tail.endsWith(PUBLIC)) names.set(tail, 'The public: everybody, with or without an account');
    if (tail.endsWith(EVERYONE)) names.set(tail, 'Everybody with an account');
  }
  return names;
}

/** A link's address on the host that the visitor uses. */
function hereOf({ request, url }: RequestContext, href: string): string {
  const given = URL.parse(href);
  return given === null ? href : `${clientScheme(request, url)}://${url.host}${given.pathname}`;
}
