import type { RequestContext } from '../../http/context.ts';
import { KeepError } from '../../keep/errors.ts';
import { decodeUriName, encodeUriName } from '../../keep/manifest/uri-names.ts';
import { html, type Markup, visible } from '../../pages/markup.ts';
import { ApiProblem, ask } from './api.ts';
import { deleteFiles, NoCopy, pathsOf, type Selection } from './deleted-files.ts';
import type { WorkspaceDependencies } from './dependencies.ts';
import { field, readForm, seeOther } from './forms.ts';
import { nameOf, placeIn, placeOf } from './records-table.ts';
import { problem, workspacePage } from './shell.ts';
import { requireVisitor, type Visitor } from './visitor.ts';

const SHOWN = 20;

/** `/workspace/file/UUID?encoded_path=`: another name or place for a file, or its end. */
export async function showFileEdit(
  context: RequestContext,
  deps: WorkspaceDependencies,
  uuid: string,
): Promise<Response> {
  const visitor = await requireVisitor(context, deps);
  return fileEditPage(context, deps, visitor, uuid, pathAsked(context.url.searchParams), null);
}

/** `POST`: `encoded_path` and `to`; or `action=delete` with what is selected in a directory. */
export async function saveFileEdit(
  context: RequestContext,
  deps: WorkspaceDependencies,
  uuid: string,
): Promise<Response> {
  const form = await readForm(context);
  const visitor = await requireVisitor(context, deps);
  const action = field(form, 'action');
  if (action.startsWith('delete')) return remove(context, deps, visitor, uuid, chosen(form), action === 'delete');
  const path = pathAsked(form);
  const to = field(form, 'to').replace(/^\/+/, '');
  try {
    // The file as it is when the change is made, and to where nothing is then. Its own place would delete it.
    if (to !== path)
      await ask(context, deps, visitor.token, `collections/${uuid}`, {
        method: 'PATCH',
        query: { select: ['uuid'], must_be_new: true },
        body: { collection: {}, replace_files: { [`/${to}`]: `current/${path}`, [`/${path}`]: '' } },
      });
  } catch (error) {
    if (error instanceof ApiProblem && error.status < 500)
      return fileEditPage(context, deps, visitor, uuid, path, error);
    throw error;
  }
  return seeOther(`${placeIn(uuid, parentOf(to), 'directory')}?done=saved`);
}

async function remove(
  context: RequestContext,
  deps: WorkspaceDependencies,
  visitor: Visitor,
  uuid: string,
  selection: Selection,
  keepCopy: boolean,
): Promise<Response> {
  const { directory, names } = selection;
  const back = placeIn(uuid, directory, 'directory');
  if (names.length === 0) return seeOther(`${back}?done=unselected`);
  try {
    const copy = await deleteFiles(context, deps, visitor, uuid, selection, keepCopy);
    return seeOther(`${back}?done=removed${copy === null ? '' : `&undo=${copy}`}`);
  } catch (error) {
    if (!(error instanceof NoCopy) || error.status === 404 || error.status === 403) throw error;
    return withoutUndo(context, visitor, selection, { uuid, back, why: error.message });
  }
}

/** No copy for the trash could be made, of which the quota may be the reason: deleting must go on. */
function withoutUndo(
  context: RequestContext,
  visitor: Visitor,
  selection: Selection,
  { uuid, back, why }: { uuid: string; back: string; why: string },
): Response {
  const paths = pathsOf(selection);
  const body = html`<h1>Delete for good?</h1>${problem(`Nothing is deleted yet: no copy could be put into the trash. ${why}`)}
<ul>${paths.slice(0, SHOWN).map((path) => html`<li>${visible(path)}</li>`)}${paths.length > SHOWN && html`<li>and ${paths.length - SHOWN} more</li>`}</ul>
<form method="post" action="/workspace/file/${uuid}">${selectionFields(selection)}<div class="bar"><button name="action" value="delete-for-good">Delete for good</button><a class="button" href="${back}">Cancel</a></div></form>`;
  return workspacePage(context, visitor, { title: 'Delete for good?', body, status: 409 });
}

/** Percent-encoded: a form changes line ends, and bytes that are not UTF-8. */
function selectionFields({ directory, names }: Selection): Markup {
  const fields = names.map((name) => html`<input type="hidden" name="encoded_files" value="${encodeUriName(name)}">`);
  return html`<input type="hidden" name="dir" value="${encodedPath(directory)}">${fields}`;
}

/** What a form asks to delete: names in the directory `dir`. */
function chosen(form: URLSearchParams): Selection {
  const directory = decodeUriName(form.get('dir') ?? '');
  const given = [...form.getAll('files'), ...form.getAll('encoded_files').map(decodeUriName)];
  const names = given.map((name) => name.replace(/(?<!\/)\/+$/, '')).filter((name) => name !== '');
  if (names.some((name) => name.includes('/')))
    throw new KeepError('bad_request', { message: 'files are deleted from one directory at a time' });
  return { directory, names };
}

/** @throws KeepError bad_request */
function pathAsked(fields: URLSearchParams): string {
  const path = decodeUriName(fields.get('encoded_path') ?? '').replace(/^\/+|\/+$/g, '');
  if (path === '') throw new KeepError('bad_request', { message: 'encoded_path says which file' });
  return path;
}

function parentOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf('/')));
}

function nameIn(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

export function encodedPath(path: string): string {
  return path.split('/').map(encodeUriName).join('/');
}

async function fileEditPage(
  context: RequestContext,
  deps: WorkspaceDependencies,
  visitor: Visitor,
  uuid: string,
  path: string,
  wrong: ApiProblem | null,
): Promise<Response> {
  const record = await ask(context, deps, visitor.token, `collections/${uuid}`, {
    query: { select: ['uuid', 'name'] },
  });
  const directory = parentOf(path);
  const name = nameIn(path);
  const above = directory.split('/').filter((each) => each !== '');
  const crumbs = above.map(
    (each, i) =>
      html`<a href="${placeIn(uuid, above.slice(0, i + 1).join('/'), 'directory')}">${visible(each)}</a><span>/</span>`,
  );
  const body = html`<nav class="crumbs" aria-label="Path"><a href="${placeOf(uuid)}">${visible(nameOf(record))}</a><span>/</span>${crumbs}</nav><h1>${visible(name)}</h1>${wrong !== null && problem(wrong.message)}
<form class="fields" method="post"><input type="hidden" name="encoded_path" value="${encodedPath(path)}"><label for="to">Name and place in the collection</label><input id="to" name="to" value="${path}" required aria-describedby="to-help"><small id="to-help">A slash makes directories: <code>old/${visible(name)}</code></small><div class="bar"><button class="main">Rename</button><a class="button" href="${placeIn(uuid, path, 'file')}?preview">Cancel</a></div></form>
<h2>Delete this file</h2><p class="soft">It goes to the trash, and can be brought back from there.</p><form method="post">${selectionFields({ directory, names: [name] })}<button name="action" value="delete">Delete the file</button></form>`;
  return workspacePage(context, visitor, { title: path, body, status: wrong?.status ?? 200 });
}
