import type { RequestContext } from '../../http/context.ts';
import { requestText } from '../../http/request-chunks.ts';
import { KeepError } from '../../keep/errors.ts';
import { html, visible } from '../../pages/markup.ts';
import { ApiProblem, ask, call } from './api.ts';
import type { WorkspaceDependencies } from './dependencies.ts';
import { requireOwnPage } from './forms.ts';
import { nameOf, placeOf } from './records-table.ts';
import { workspacePage } from './shell.ts';
import { signInPage } from './sign-in.ts';
import { type Visitor, visitorOf } from './visitor.ts';

/** A save of the files that one request names, with their manifest. */
const MAX_SAVE_BYTES = 16 * 1024 * 1024;

/** `/workspace/upload/UUID`: the page whose script uploads. */
export async function uploadPage(
  context: RequestContext,
  deps: WorkspaceDependencies,
  uuid: string,
): Promise<Response> {
  const visitor = await visitorOf(context, deps);
  if (visitor === null) return signInPage(context, deps, null);
  const record = await ask(context, deps, visitor.token, `collections/${uuid}`, {
    query: { select: ['uuid', 'name'] },
  });
  const to = context.url.searchParams.get('to') ?? '';
  const body = html`<nav class="crumbs" aria-label="Path"><a href="${placeOf(uuid)}">${visible(nameOf(record))}</a><span>/</span></nav><h1>Upload${to !== '' && html` to ${visible(to)}`}</h1>
<div id="upload" data-uuid="${uuid}" data-to="${to}" hidden><div class="drop" id="drop"><p>Drag files and folders here, or</p><div class="bar center"><label class="button main">Choose files<input class="unseen" type="file" id="choose-files" multiple></label><label class="button">Choose a folder<input class="unseen" type="file" id="choose-folder" webkitdirectory></label></div></div>
<p id="upload-state" role="status" aria-live="polite"></p><progress id="upload-total" aria-label="Progress in all" hidden></progress><div class="bar"><button type="button" id="upload-pause" hidden>Pause</button></div>
<table class="ups" id="upload-files" hidden><thead><tr><th>File</th><th class="size">Size</th><th class="bar-cell">Progress</th></tr></thead><tbody></tbody></table>
<p class="soft">Files are cut into blocks of 64 MiB and hashed in this browser. What you have here already is not sent again, and an upload that is cut off goes on when you choose the same files once more.</p></div>
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
