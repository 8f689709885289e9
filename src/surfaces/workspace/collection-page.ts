import type { RequestContext } from '../../http/context.ts';
import { encodeUriName } from '../../keep/manifest/uri-names.ts';
import { hasToken } from '../../keep/uri-paths.ts';
import { htmlPage } from '../../pages/html-page.ts';
import { html, type Markup, trusted, visible } from '../../pages/markup.ts';
import { formatAge, formatCount, formatSize, formatTime } from '../../pages/numbers.ts';
import type { DirectoryView } from '../../pages/views.ts';
import { askOrNull, type Json } from './api.ts';
import { audienceSentence } from './audience.ts';
import { crumbs, crumbsAbove } from './crumbs.ts';
import type { WorkspaceDependencies } from './dependencies.ts';
import { renderMarkdown } from './markdown.ts';
import { notice, workspacePage } from './shell.ts';
import { visitorOf } from './visitor.ts';

const FIELDS = [
  'uuid',
  'owner_uuid',
  'name',
  'description',
  'properties',
  'portable_data_hash',
  'created_at',
  'modified_at',
  'version',
  'trash_at',
  'replication_desired',
  'storage_classes_desired',
  'file_count',
  'file_size_total',
  'can_write',
  'can_manage',
];
const MAX_README_BYTES = 256 * 1024;

/** A collection, or a directory in one: what it is, its files, and its README below them. */
export async function collectionPage(
  context: RequestContext,
  deps: WorkspaceDependencies,
  view: DirectoryView,
): Promise<Response> {
  const uuid = view.collection?.uuid ?? null;
  const isTop = view.path.length === 0;
  const [visitor, record, readme] = await Promise.all([
    view.ownOrigin ? null : visitorOf(context, deps),
    uuid === null ? null : askOrNull(context, deps, view.token, `collections/${uuid}`, { query: { select: FIELDS } }),
    view.readme === null ? null : view.readme.read(MAX_README_BYTES).catch(() => null),
  ]);
  // A link or an address with a token in it shows; what changes something goes by the visitor's own cookie.
  const acts = visitor !== null && visitor.token === view.token && record !== null && !view.ownOrigin;
  const above = acts ? await crumbsAbove(context, deps, visitor.token, record, visitor) : null;
  const body = html`${crumbs(above, trusted(view.crumbs))}<h1>${visible(view.name)}</h1>${factsOf(view, record, context.now * 1000)}
${!acts && !view.ownOrigin && accessSentence(view, deps)}${upNotice(context)}${acts && isTop && actionsOf(record)}${acts && !isTop && record.can_write && view.path.every((name) => name.isWellFormed()) && uploadButton(record.uuid, view.path)}
${isTop && record !== null && descriptionOf(record, view)}
${isTop && acts && record !== null && html`<p class="soft">${await audienceSentence(context, deps, visitor, record)}${record.can_manage && html` <a href="/workspace/share/${record.uuid}">Share</a>`}</p>`}
${trusted(view.files(acts && record.can_write ? deleteButton(record.uuid, view.path).text : ''))}${readme !== null && view.readme !== null && readmeOf(view.readme.name, readme, view)}
${isTop && record !== null && propertiesOf(record)}${isTop && detailsOf(view, record)}${trusted(view.commands)}`;
  if (view.ownOrigin) return htmlPage({ title: view.name, body });
  return workspacePage(context, visitor, { title: view.name, body });
}

function factsOf({ totals, collection }: DirectoryView, record: Json | null, now: number): Markup {
  const files = totals === null ? null : html`${formatCount(totals.files, 'file')}, ${formatSize(totals.bytes)}`;
  const changed =
    record === null
      ? null
      : html` · changed <time datetime="${record.modified_at}" title="${formatTime(record.modified_at)}">${formatAge(record.modified_at, now)}</time>`;
  const id = collection === null ? null : html` · <code>${collection.uuid ?? collection.portableDataHash}</code>`;
  return html`<p class="facts">${files}${changed}${id}</p>`;
}

/** How one comes to see it who is not signed in: by an address with a token in it, or because it is public. */
function accessSentence({ root, token }: DirectoryView, { settings }: WorkspaceDependencies): Markup | null {
  if (hasToken(root))
    return html`<p class="soft">You see this by a link: you can read and download all of this collection, change nothing, and see nothing else.</p>`;
  if (token !== settings.anonymousToken) return null;
  return html`<p class="soft">Public: everybody can read and download this, without an account.</p>`;
}

function actionsOf(record: Json): Markup {
  const { uuid } = record;
  return html`<div class="bar">${record.can_write && html`<a class="button main" href="/workspace/upload/${uuid}">Upload</a><a class="button" href="/workspace/edit/${uuid}">Edit</a>`}${record.can_manage && html`<a class="button" href="/workspace/share/${uuid}">Share</a>`}${record.can_write && html`<form method="post" action="/workspace/trash/${uuid}"><button>Delete collection</button></form>`}</div>`;
}

/** Not where a name is not UTF-8: an upload names its files in text. */
function uploadButton(uuid: string, path: string[]): Markup {
  return html`<div class="bar"><a class="button main" href="/workspace/upload/${uuid}?to=${encodeURIComponent(path.join('/'))}">Upload here</a></div>`;
}

function deleteButton(uuid: string, path: string[]): Markup {
  return html`<input type="hidden" name="dir" value="${path.map(encodeUriName).join('/')}"><button formaction="/workspace/file/${uuid}" name="action" value="delete" data-selected="Delete|">Delete selected</button>`;
}

function descriptionOf(record: Json, { root }: DirectoryView): Markup | null {
  const { description } = record;
  if (typeof description !== 'string' || description.trim() === '') return null;
  return html`<section class="description" aria-label="Description">${renderMarkdown(description, root)}</section>`;
}

function readmeOf(name: string, text: string, view: DirectoryView): Markup {
  const isMarkdown = /\.(md|markdown)$/i.test(name) || !name.includes('.');
  const base = `${view.root}${view.path.map((part) => `${encodeUriName(part)}/`).join('')}`;
  return html`<section class="readme" aria-label="${name}"><h2>${name}</h2>${isMarkdown ? renderMarkdown(text, base) : html`<pre>${text}</pre>`}</section>`;
}

function propertiesOf({ properties }: Json): Markup | null {
  const entries = Object.entries(properties ?? {});
  if (entries.length === 0) return null;
  const rows = entries.map(
    ([name, value]) =>
      html`<tr><th scope="row">${name}</th><td>${typeof value === 'string' ? value : JSON.stringify(value)}</td></tr>`,
  );
  return html`<details open><summary>Properties</summary><div><table class="facts-table"><tbody>${rows}</tbody></table></div></details>`;
}

function detailsOf({ collection, ownOrigin }: DirectoryView, record: Json | null): Markup | null {
  if (collection === null) return null;
  const rows: [string, unknown][] = [
    ['Identifier', record?.uuid ?? null],
    ['Portable data hash', collection.portableDataHash],
    ['Made', record === null ? null : formatTime(record.created_at)],
    ['Changed', record === null ? null : formatTime(record.modified_at)],
    ['Ends', record === null ? null : formatTime(record.trash_at)],
    ['Copies', record?.replication_desired ?? null],
    ['Storage classes', record?.storage_classes_desired?.join(', ') ?? null],
  ];
  const shown = rows.filter(([, value]) => value !== null && value !== '' && value !== undefined);
  const versions =
    record === null || ownOrigin
      ? null
      : html`<p><a href="/workspace/versions/${record.uuid}">Versions of this collection</a> (now version ${record.version})</p>`;
  return html`<details><summary>Details</summary><div><table class="facts-table"><tbody>${shown.map(([name, value]) => html`<tr><th scope="row">${name}</th><td><code>${String(value)}</code></td></tr>`)}</tbody></table>${versions}</div></details>`;
}

/** After a change: what it was. */
function upNotice({ url }: RequestContext): Markup | null {
  const done = url.searchParams.get('done');
  const sentence = done === null ? undefined : DONE[done];
  const undo = url.searchParams.get('undo');
  if (sentence === undefined) return null;
  if (undo === null || !/^[0-9a-z]{5}-4zz18-[0-9a-z]{15}$/.test(undo)) return notice(sentence);
  return notice(
    html`${sentence} <form method="post" action="/workspace/untrash/${undo}"><input type="hidden" name="next" value="${url.pathname}"><button>Undo</button></form>`,
  );
}

const DONE: Record<string, string> = {
  restored: 'Back from the trash.',
  saved: 'Saved.',
  removed: 'Deleted.',
  unselected: 'Nothing is selected: tick the boxes of what you want to delete.',
  version: 'The collection is what it was in that version.',
  uploaded: 'The upload is complete, and what was stored is what was sent.',
};
