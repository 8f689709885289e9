import type { RequestContext } from '../../http/context.ts';
import { htmlPage } from '../../pages/html-page.ts';
import { html, type Markup, trusted, visible } from '../../pages/markup.ts';
import { formatCount } from '../../pages/numbers.ts';
import type { DirectoryView } from '../../pages/views.ts';
import { askAll, askOrNull, type Json } from './api.ts';
import { audienceSentence } from './audience.ts';
import { crumbs, crumbsAbove } from './crumbs.ts';
import type { WorkspaceDependencies } from './dependencies.ts';
import { renderMarkdown } from './markdown.ts';
import { inOrder, isCollection, RECORD_FIELDS, recordsTable } from './records-table.ts';
import { notice, workspacePage } from './shell.ts';
import { undoNotice } from './start-page.ts';
import { visitorOf } from './visitor.ts';

const FIELDS = ['uuid', 'name', 'description', 'owner_uuid', 'modified_at', 'can_write', 'can_manage'];
const MOST = 5000;

/** A project; or one of the site's directories, which stand as the surface below made them. */
export async function projectPage(
  context: RequestContext,
  deps: WorkspaceDependencies,
  view: DirectoryView,
): Promise<Response> {
  const visitor = view.ownOrigin ? null : await visitorOf(context, deps);
  const uuid = view.ownerUuid;
  const record =
    uuid === null || uuid.slice(6, 11) !== 'j7d0g'
      ? null
      : await askOrNull(context, deps, view.token, `groups/${uuid}`, { query: { select: FIELDS } });
  const head = html`${crumbs(trusted(view.crumbs))}<h1>${visible(view.name)}</h1>`;
  if (record === null || view.ownOrigin) {
    const body = html`${head}${trusted(view.files(''))}${trusted(view.commands)}`;
    return view.ownOrigin
      ? htmlPage({ title: view.name, body })
      : workspacePage(context, visitor, { title: view.name, body });
  }
  const query = { select: RECORD_FIELDS, filters: [['uuid', 'is_a', ['arvados#group', 'arvados#collection']]] };
  const records = inOrder(await askAll(context, deps, view.token, `groups/${uuid}/contents`, query, MOST));
  const acts = visitor !== null && visitor.token === view.token;
  const collections = records.filter(isCollection).length;
  const body = html`${crumbs(await crumbsAbove(context, deps, view.token, record, visitor))}<h1>${visible(record.name)}</h1>
<p class="facts">${formatCount(collections, 'collection')}, ${formatCount(records.length - collections, 'project')} · <code>${record.uuid}</code></p>${undoNotice(context)}
${context.url.searchParams.get('done') === 'made' && notice('The project is made.')}
${acts && actionsOf(record)}${record.description ? html`<section class="description">${renderMarkdown(record.description, view.root)}</section>` : null}
${acts && html`<p class="soft">${await audienceSentence(context, deps, visitor, record)}</p>`}
${records.length === 0 ? html`<p class="empty">Nothing in this project yet.${acts && record.can_write && ' Make a collection in it, then upload files to that.'}</p>` : html`<div class="bar"><input type="search" id="filter" placeholder="Filter this project" aria-label="Filter this project" hidden></div>${recordsTable(records, { now: context.now * 1000 })}`}
${trusted(view.commands)}`;
  return workspacePage(context, visitor, { title: record.name, body });
}

function actionsOf({ uuid, can_write, can_manage }: Json): Markup {
  const make = (kind: string, label: string, look: string) =>
    html`<form method="post" action="/workspace/new"><input type="hidden" name="kind" value="${kind}"><input type="hidden" name="owner" value="${uuid}"><button class="${look}">${label}</button></form>`;
  return html`<div class="bar">${can_write && html`${make('collection', 'New collection', 'main')}${make('project', 'New project', '')}<a class="button" href="/workspace/edit/${uuid}">Edit</a>`}${can_manage && html`<a class="button" href="/workspace/share/${uuid}">Share</a>`}${can_write && html`<form method="post" action="/workspace/trash/${uuid}"><button>Delete project</button></form>`}</div>`;
}
