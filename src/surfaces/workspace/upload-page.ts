import type { RequestContext } from '../../http/context.ts';
import { requestText } from '../../http/request-chunks.ts';
import { KeepError } from '../../keep/errors.ts';
import { html, visible } from '../../pages/markup.ts';
import { ApiProblem, ask, askOrNull, call, type Json } from './api.ts';
import type { WorkspaceDependencies } from './dependencies.ts';
import { requireOwnPage } from './forms.ts';
import { isCollection, nameOf, placeOf } from './records-table.ts';
import { problem, workspacePage } from './shell.ts';
import { requireVisitor, type Visitor, visitorOf } from './visitor.ts';

/** A save of the files that one request names, with their manifest. */
const MAX_SAVE_BYTES = 16 * 1024 * 1024;
const OTHERS_OF_ONE_OWNER = 8;
const OTHERS_OF_ONE_NAME = 4;
const MAX_NAMES = 5;
const MAX_OTHERS = 20;
/** The manifest of more is more than a look is worth. */
const MAX_OTHER_FILES = 50_000;

/** `/workspace/upload/UUID`: the page whose script uploads. */
export async function uploadPage(
  context: RequestContext,
  deps: WorkspaceDependencies,
  uuid: string,
): Promise<Response> {
  const visitor = await requireVisitor(context, deps);
  const record = await ask(context, deps, visitor.token, `collections/${uuid}`, {
    query: { select: ['uuid', 'name', 'can_write'] },
  });
  const to = context.url.searchParams.get('to') ?? '';
  const above = html`<nav class="crumbs" aria-label="Path"><a href="${placeOf(uuid)}">${visible(nameOf(record))}</a><span>/</span></nav>`;
  if (record.can_write === false) {
    const body = html`${above}<h1>Upload</h1>${problem('You may read this collection, but not change it. Its owner can share it with you to change it.')}`;
    return workspacePage(context, visitor, { title: 'Upload', body, status: 403 });
  }
  const body = html`${above}<h1>Upload${to !== '' && html` to ${visible(to)}`}</h1>
<div id="upload" data-uuid="${uuid}" data-to="${to}" hidden><div class="drop" id="drop"><p>Drag files and folders here, or</p><div class="bar center"><label class="button main">Choose files<input class="unseen" type="file" id="choose-files" multiple></label><label class="button">Choose a folder<input class="unseen" type="file" id="choose-folder" webkitdirectory></label></div></div>
<p id="upload-state"></p><p id="upload-said" class="unseen" role="status"></p><progress id="upload-total" aria-label="Progress in all" hidden></progress><div class="bar"><button type="button" id="upload-pause" hidden>Pause</button></div>
<table class="ups" id="upload-files" hidden><thead><tr><th>File</th><th class="size">Size</th><th class="bar-cell">Progress</th></tr></thead><tbody></tbody></table><p class="soft" id="upload-more" hidden></p><p class="soft" id="upload-md5" hidden></p>
<p class="soft">A file takes the place of one with the same name and directory. What you uploaded before, or may read in other collections, is not sent again. An upload that is cut off goes on when you choose the same files once more.</p></div>
<noscript><p>Uploading in the browser needs JavaScript. These work without: <code>keep-edge put --update ${uuid} FILES</code>, and WebDAV at <code>${placeOf(uuid)}</code>.</p></noscript>`;
  return workspacePage(context, visitor, { title: `Upload to ${nameOf(record)}`, body, scripts: ['upload.js'] });
}

/** `GET .../manifest`: the collection's manifest, signed for the visitor. Only for this site's own scripts. */
export async function uploadManifest(
  context: RequestContext,
  deps: WorkspaceDependencies,
  uuid: string,
): Promise<Response> {
  const visitor = await ownScript(context, deps);
  const answer = await call(context, deps, visitor.token, `collections/${uuid}`, {
    query: { select: ['manifest_text'] },
  });
  return new Response(answer.body, {
    headers: { 'Content-Type': 'application/json', 'Cache-Control': 'private, no-store' },
  });
}

/**
 * `GET .../others?name=`: collections that may hold what is uploaded: beside this one, the visitor's own, and those with
 * files of these names. Only what the visitor may read: its manifest is asked for one by one, and signed for them.
 */
export async function uploadOthers(
  context: RequestContext,
  deps: WorkspaceDependencies,
  uuid: string,
): Promise<Response> {
  const visitor = await ownScript(context, deps);
  const { token, user } = visitor;
  const record = await ask(context, deps, token, `collections/${uuid}`, { query: { select: ['owner_uuid'] } });
  const recent = (owner: string) =>
    askOrNull(context, deps, token, 'collections', {
      query: {
        filters: [
          ['owner_uuid', '=', owner],
          ['file_count', '<=', MAX_OTHER_FILES],
        ],
        order: ['modified_at desc'],
        limit: OTHERS_OF_ONE_OWNER,
        count: 'none',
        select: ['uuid'],
      },
    });
  const named = (name: string) =>
    askOrNull(context, deps, token, 'search', {
      query: { q: `"${name.replaceAll('"', ' ')}"`, limit: OTHERS_OF_ONE_NAME },
    });
  const names = context.url.searchParams.getAll('name').slice(0, MAX_NAMES);
  const answers: Json[] = await Promise.all([
    ...names.map(named),
    ...[...new Set([String(record.owner_uuid), user.uuid])].map(recent),
  ]);
  const found = answers.flatMap((answer) => answer?.items ?? []).filter((item) => isCollection(item));
  const uuids = [...new Set(found.map((item) => String(item.uuid)))].filter((other) => other !== uuid);
  return Response.json({ uuids: uuids.slice(0, MAX_OTHERS) }, { headers: { 'Cache-Control': 'private, no-store' } });
}

/** `POST .../save`: puts files into the collection, in place of those that have their names. */
export async function uploadSave(
  context: RequestContext,
  deps: WorkspaceDependencies,
  uuid: string,
): Promise<Response> {
  const visitor = await ownScript(context, deps);
  if (Number(context.request.headers.get('Content-Length') ?? Number.POSITIVE_INFINITY) > MAX_SAVE_BYTES)
    throw new KeepError('too_large', { message: 'a save names too many files' });
  try {
    const { manifest, paths } = JSON.parse(await requestText(context.request)) as { manifest: string; paths: string[] };
    const replace_files = Object.fromEntries(paths.map((path) => [`/${path}`, `manifest_text/${path}`]));
    await ask(context, deps, visitor.token, `collections/${uuid}`, {
      method: 'PATCH',
      query: { select: ['uuid'] },
      body: { collection: { manifest_text: manifest }, replace_files },
    });
    return Response.json({ saved: paths.length });
  } catch (error) {
    if (error instanceof ApiProblem) return Response.json({ message: error.message }, { status: error.status });
    if (error instanceof SyntaxError) throw new KeepError('bad_request', { message: 'the JSON cannot be read' });
    throw error;
  }
}

async function ownScript(context: RequestContext, deps: WorkspaceDependencies): Promise<Visitor> {
  const site = context.request.headers.get('Sec-Fetch-Site');
  if (site === null) requireOwnPage(context);
  else if (site !== 'same-origin')
    throw new KeepError('forbidden', { message: 'Forbidden: this is for pages of this site' });
  const visitor = await visitorOf(context, deps);
  if (visitor === null) throw new KeepError('unauthorized');
  return visitor;
}
