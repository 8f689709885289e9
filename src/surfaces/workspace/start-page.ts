import type { RequestContext } from '../../http/context.ts';
import { html, type Markup } from '../../pages/markup.ts';
import { formatCount } from '../../pages/numbers.ts';
import type { Json } from './api.ts';
import type { WorkspaceDependencies } from './dependencies.ts';
import { LISTS, type ListName, ownerNames, recentRecords, recordsOf } from './record-lists.ts';
import { placeOf, recordsTable } from './records-table.ts';
import { barOf, notice, SIGNING_IN, workspacePage } from './shell.ts';
import { signInForm } from './sign-in.ts';
import { type Visitor, visitorOf } from './visitor.ts';

/** Rows of a list on the start page; the list's own page has the rest. */
const SHOWN = 50;
/** What is put in order for it: of more, those that changed last. */
const MOST_AT_START = 1000;
const RECENT = 6;
/** Rows that a list's own page has at most, in natural order. */
const MOST = 5000;
const PAGE_ROWS = 1000;

/** `/`: what the visitor has, what changed last, what others share; for who is not signed in, how to sign in. */
export async function startPage(context: RequestContext, deps: WorkspaceDependencies): Promise<Response> {
  const visitor = await visitorOf(context, deps);
  if (visitor === null) return welcome(context, deps);
  const [recent, mine, others, open] = await Promise.all([
    recentRecords(context, deps, visitor, RECENT),
    recordsOf('mine', context, deps, visitor, MOST_AT_START),
    recordsOf('shared', context, deps, visitor, MOST_AT_START),
    recordsOf('public', context, deps, visitor, MOST_AT_START),
  ]);
  const isOpen = new Set(open.map(({ uuid }) => uuid));
  const shared = others.filter(({ uuid }) => !isOpen.has(uuid));
  const owners = await ownerNames([...recent, ...shared, ...open], context, deps, visitor);
  const now = context.now * 1000;
  const body = html`<h1>${greeting(visitor)}</h1>${undoNotice(context)}
<div class="bar"><form method="post" action="/workspace/new"><input type="hidden" name="kind" value="collection"><button class="main">New collection</button></form>
<form method="post" action="/workspace/new"><input type="hidden" name="kind" value="project"><button>New project</button></form></div>
${recent.length > 0 && html`<h2>Changed last</h2>${recordsTable(recent, { now, owners })}`}
${section('mine', mine, now, undefined, html`<p class="empty">Nothing here yet. Make a collection, then upload files to it.</p>`)}
${section('shared', shared, now, owners, html`<p class="empty">What others share with you appears here.</p>`)}
${open.length > 0 && section('public', open, now, owners, null)}`;
  return workspacePage(context, visitor, { title: 'Keep', body });
}

/** `/workspace/list/...`: all of one list. */
export async function listPage(
  list: ListName,
  context: RequestContext,
  deps: WorkspaceDependencies,
): Promise<Response> {
  const visitor = await visitorOf(context, deps);
  const records = await recordsOf(list, context, deps, visitor, MOST);
  const page = Math.max(1, Math.trunc(Number(context.url.searchParams.get('page') ?? 1)) || 1);
  const rows = records.slice((page - 1) * PAGE_ROWS, page * PAGE_ROWS);
  const owners = list === 'mine' || visitor === null ? undefined : await ownerNames(rows, context, deps, visitor);
  const pages = Math.max(1, Math.ceil(records.length / PAGE_ROWS));
  const body = html`<h1>${LISTS[list]}</h1><p class="facts">${formatCount(records.length, 'entry', 'entries')}${records.length === MOST && ' and more: search for the others'}</p>
<div class="bar"><input type="search" id="filter" placeholder="Filter this list" aria-label="Filter this list" hidden></div>
${recordsTable(rows, { now: context.now * 1000, ...(owners === undefined ? {} : { owners }) })}
${pages > 1 && html`<nav class="pages" aria-label="Pages of the list">${page > 1 ? html`<a href="?page=${page - 1}">← Before</a>` : html`<span></span>`}<span>Page ${page} of ${pages}</span>${page < pages ? html`<a href="?page=${page + 1}">More →</a>` : html`<span></span>`}</nav>`}`;
  return workspacePage(context, visitor, { title: LISTS[list], body });
}

async function welcome(context: RequestContext, deps: WorkspaceDependencies): Promise<Response> {
  const open = await recordsOf('public', context, deps, null, MOST_AT_START).catch(() => []);
  const body = html`<h1>Keep</h1><p class="lead">The data of ${deps.settings.clusterId}. Sign in to see what is yours and what is shared with you.</p>
${signInForm(context, deps, null)}
${open.length > 0 && section('public', open, context.now * 1000, undefined, null)}`;
  return workspacePage(context, null, { title: 'Keep', body, bar: barOf(null, '', SIGNING_IN) });
}

function section(
  list: ListName,
  records: Json[],
  now: number,
  owners: Map<string, string> | undefined,
  empty: Markup | null,
): Markup {
  const more = records.length > SHOWN;
  const table = recordsTable(records.slice(0, SHOWN), { now, ...(owners === undefined ? {} : { owners }) });
  return html`<section><h2>${LISTS[list]}</h2>${records.length === 0 ? empty : table}${more && html`<p><a href="/workspace/list/${list}">All of them</a></p>`}</section>`;
}

function greeting({ user }: Visitor): string {
  return user.fullName || user.username || 'Keep';
}

/** What was just moved to the trash, with the way back. */
export function undoNotice({ url }: RequestContext): Markup | null {
  const uuid = url.searchParams.get('trashed');
  if (uuid === null || !/^[0-9a-z]{5}-(4zz18|j7d0g)-[0-9a-z]{15}$/.test(uuid)) return null;
  return notice(
    html`Moved to the trash. <form method="post" action="/workspace/untrash/${uuid}"><input type="hidden" name="next" value="${placeOf(uuid)}"><button>Undo</button></form>`,
  );
}
