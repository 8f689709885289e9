import type { RequestContext } from '../../http/context.ts';
import { html, visible } from '../../pages/markup.ts';
import { ApiProblem, ask } from './api.ts';
import type { WorkspaceDependencies } from './dependencies.ts';
import { field, readForm, seeOther } from './forms.ts';
import { nameOf, placeOf } from './records-table.ts';
import { problem, workspacePage } from './shell.ts';
import { signInPage } from './sign-in.ts';
import { type Visitor, visitorOf } from './visitor.ts';

/** `/workspace/file/UUID?path=`: another name or place for a file, or its end. */
export async function showFileEdit(
  context: RequestContext,
  deps: WorkspaceDependencies,
  uuid: string,
): Promise<Response> {
  const visitor = await visitorOf(context, deps);
  if (visitor === null) return signInPage(context, deps, null);
  return fileEditPage(context, deps, visitor, uuid, context.url.searchParams.get('path') ?? '', null);
}

export async function saveFileEdit(
  context: RequestContext,
  deps: WorkspaceDependencies,
  uuid: string,
): Promise<Response> {
  const form = await readForm(context);
  const visitor = await visitorOf(context, deps);
  if (visitor === null) return signInPage(context, deps, null, { next: '/' });
  const path = form.get('path') ?? '';
  const to = field(form, 'to').replace(/^\/+/, '');
  const isDelete = field(form, 'action') === 'delete';
  try {
    const before = await ask(context, deps, visitor.token, `collections/${uuid}`, {
      query: { select: ['portable_data_hash'] },
    });
    const replace_files = isDelete
      ? { [`/${path}`]: '' }
      : { [`/${to}`]: `${before.portable_data_hash}/${path}`, [`/${path}`]: '' };
    await ask(context, deps, visitor.token, `collections/${uuid}`, {
      method: 'PATCH',
      query: { select: ['uuid'] },
      // The state before can be gone back to: that is what undoes it.
      body: { collection: {}, replace_files },
    });
  } catch (error) {
    if (error instanceof ApiProblem && error.status < 500)
      return fileEditPage(context, deps, visitor, uuid, path, error.message);
    throw error;
  }
  const directory = path.includes('/')
    ? `${path.slice(0, path.lastIndexOf('/')).split('/').map(encodeURIComponent).join('/')}/`
    : '';
  return seeOther(`${placeOf(uuid)}${directory}?done=${isDelete ? 'removed' : 'saved'}`);
}

async function fileEditPage(
  context: RequestContext,
  deps: WorkspaceDependencies,
  visitor: Visitor,
  uuid: string,
  path: string,
  wrong: string | null,
): Promise<Response> {
  const record = await ask(context, deps, visitor.token, `collections/${uuid}`, {
    query: { select: ['uuid', 'name'] },
  });
  // Keeps the state before as a version, where versions are kept at all, so that it can be brought back.
  const body = html`<nav class="crumbs" aria-label="Path"><a href="${placeOf(uuid)}">${visible(nameOf(record))}</a><span>/</span></nav><h1>${visible(path)}</h1>${wrong !== null && problem(wrong)}
<form class="fields" method="post"><input type="hidden" name="path" value="${path}"><label for="to">Name and place in the collection</label><input id="to" name="to" value="${path}" required><div class="bar"><button class="main">Rename</button><a class="button" href="${placeOf(uuid)}">Cancel</a></div></form>
<h2>Delete this file</h2><p class="soft">The collection goes on without it. Where past versions are kept, the version before still has it.</p><form method="post"><input type="hidden" name="path" value="${path}"><input type="hidden" name="action" value="delete"><button>Delete the file</button></form>`;
  return workspacePage(context, visitor, { title: path, body });
}
