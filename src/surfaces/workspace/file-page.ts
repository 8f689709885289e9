import type { RequestContext } from '../../http/context.ts';
import { clientScheme } from '../../http/session-cookie.ts';
import { encodePath, stepsInto } from '../../keep/uri-paths.ts';
import { htmlPage } from '../../pages/html-page.ts';
import { html, type Markup, trusted, visible } from '../../pages/markup.ts';
import { formatSize } from '../../pages/numbers.ts';
import type { FileView } from '../../pages/views.ts';
import { askOrNull } from './api.ts';
import { crumbs } from './crumbs.ts';
import type { WorkspaceDependencies } from './dependencies.ts';
import { fileCommands } from './file-commands.ts';
import { encodedPath } from './file-edit.ts';
import { type FileKind, fileKind, isGenomeText, needsOwnHost } from './file-kind.ts';
import { genomePage } from './genome-page.ts';
import { ownOriginOf } from './hosts.ts';
import { previewOf, sourcePreview } from './previews.ts';
import { notice, workspacePage } from './shell.ts';
import { visitorOf } from './visitor.ts';

/** A file: what it looks like, and how to get it. */
export async function filePage(
  context: RequestContext,
  deps: WorkspaceDependencies,
  view: FileView,
): Promise<Response> {
  const kind = fileKind(view.name, view.type);
  if (view.ownOrigin) {
    if (kind === 'genome') return genomePage(view);
    // The browser shows the file itself.
    if (needsOwnHost(kind)) return new Response(null, { status: 303, headers: { Location: view.href } });
  }
  const origin = `${clientScheme(context.request, context.url)}://${context.url.host}`;
  const visitor = view.ownOrigin ? null : await visitorOf(context, deps);
  const { body: shown, scripts } = needsOwnHost(kind)
    ? {
        body: html`${offer(context, deps, view, kind)}${hasSource(kind, view) && (await sourcePreview(view))}`,
        scripts: [],
      }
    : await previewOf(kind, view);
  const acts = visitor !== null && visitor.token === view.token && view.collection?.uuid;
  const record = acts
    ? await askOrNull(context, deps, visitor.token, `collections/${view.collection?.uuid}`, {
        query: { select: ['uuid', 'can_write'] },
      })
    : null;
  const body = html`${crumbs(trusted(view.crumbs))}<h1>${visible(view.name)}</h1><p class="facts">${formatSize(view.size)} · ${view.type.replace(/;.*$/, '')}</p>
<div class="bar"><a class="button${needsOwnHost(kind) ? '' : ' main'}" href="${view.href}" download>Download</a><button type="button" data-text="${origin}${view.href}" hidden>Copy link</button>${
    record?.can_write &&
    html`<a class="button" href="/workspace/file/${record.uuid}?encoded_path=${encodeURIComponent(encodedPath(view.path.join('/')))}">Rename or delete</a>`
  }</div>
<div class="preview">${shown}</div>${fileCommands(view, origin)}`;
  const page = { title: view.name, body, scripts: ['listing.js', ...scripts], wasm: kind === 'parquet' };
  return view.ownOrigin ? htmlPage(page) : workspacePage(context, visitor, page);
}

/** What is text, and can be read without running it. */
function hasSource(kind: FileKind, { name, size }: FileView): boolean {
  return size > 0 && (kind === 'html' || (kind === 'genome' && isGenomeText(name)));
}

const WHAT: Partial<Record<FileKind, string>> = {
  genome: 'the genome browser',
  html: 'this page with its scripts',
  pdf: 'this document',
};

/** The token in the path of a collection's root. */
function tokenIn(root: string): string | null {
  return /\/t=(.+?)(\/_)?\/$/.exec(decodeURIComponent(root))?.[1] ?? null;
}

/** What holds scripts, or is drawn by a program that could be led to run some, is shown on the collection's own host only. */
function offer(context: RequestContext, { settings }: WorkspaceDependencies, view: FileView, kind: FileKind): Markup {
  const what = WHAT[kind] ?? 'it';
  const uuid = view.collection?.uuid ?? null;
  const origin = uuid === null ? null : ownOriginOf(uuid, context, settings);
  if (uuid === null || origin === null) {
    const why =
      uuid === null
        ? 'A collection named by its content has no host of its own: open it by its identifier to see it.'
        : 'No hosts of collections’ own are configured here, where a file’s scripts can do no harm: see WEBDAV in docs/operate.md.';
    return notice(html`Download the file to open ${what}. ${why}`);
  }
  const pathToken = tokenIn(view.root);
  const address =
    pathToken === null
      ? encodePath(['workspace', 'open', uuid, ...view.path])
      : `${origin}${encodePath([...`t=${pathToken}`.split('/'), ...stepsInto(view.path)])}?preview`;
  return html`<p><a class="button main" href="${address}" target="_blank" rel="noopener">Open ${what}</a></p><p class="soft">It opens on a host of this collection’s own, where it can reach nothing else of yours.</p>`;
}
