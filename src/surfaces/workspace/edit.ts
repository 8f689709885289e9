import type { RequestContext } from '../../http/context.ts';
import { html } from '../../pages/markup.ts';
import { ApiProblem, ask, change, type Json } from './api.ts';
import { deletedFrom, restoreFiles } from './deleted-files.ts';
import type { CallService, WorkspaceDependencies } from './dependencies.ts';
import { field, ownPath, readForm, seeOther } from './forms.ts';
import { parseProperties, propertiesText } from './properties-text.ts';
import { placeOf } from './records-table.ts';
import { problem, workspacePage } from './shell.ts';
import { requireVisitor, type Visitor } from './visitor.ts';

/** Forms that make, change, delete and bring back collections and projects. */

const NEW_NAMES: Record<string, string> = { collection: 'New collection', project: 'New project' };

/** `POST /workspace/new`: makes an empty one with a name that is free, and opens it. */
export async function makeNew(context: RequestContext, deps: WorkspaceDependencies): Promise<Response> {
  const form = await readForm(context);
  const visitor = await requireVisitor(context, deps);
  const kind = field(form, 'kind') === 'project' ? 'project' : 'collection';
  const owner = field(form, 'owner') || visitor.user.uuid;
  const name = field(form, 'name') || NEW_NAMES[kind];
  const query = { ensure_unique_name: true };
  const made =
    kind === 'project'
      ? await ask(context, deps, visitor.token, 'groups', {
          method: 'POST',
          query,
          body: { group: { group_class: 'project', name, owner_uuid: owner } },
        })
      : await ask(context, deps, visitor.token, 'collections', {
          method: 'POST',
          query,
          body: { collection: { name, owner_uuid: owner, manifest_text: '' } },
        });
  return seeOther(`/workspace/edit/${made.uuid}?new=1`);
}

/** `GET /workspace/edit/UUID`. */
export async function showEdit(context: RequestContext, deps: WorkspaceDependencies, uuid: string): Promise<Response> {
  const visitor = await requireVisitor(context, deps);
  const record = await ask(context, deps, visitor.token, pathOf(uuid), {
    query: { select: ['uuid', 'name', 'description', 'properties'] },
  });
  return editPage(context, visitor, record, null);
}

/** `POST /workspace/edit/UUID`. */
export async function saveEdit(context: RequestContext, deps: WorkspaceDependencies, uuid: string): Promise<Response> {
  const form = await readForm(context);
  const visitor = await requireVisitor(context, deps);
  const text = {
    name: field(form, 'name'),
    description: form.get('description') ?? '',
    properties: form.get('properties') ?? '',
  };
  const shown = { uuid, name: text.name, description: text.description, properties: text.properties };
  let properties: unknown;
  try {
    properties = parseProperties(text.properties);
  } catch (error) {
    return editPage(context, visitor, shown, (error as Error).message);
  }
  const record = { name: text.name, description: text.description.replaceAll('\r\n', '\n'), properties };
  try {
    await change(context, deps, visitor.token, pathOf(uuid), { method: 'PATCH', body: { [kindOf(uuid)]: record } });
  } catch (error) {
    if (error instanceof ApiProblem && error.status < 500) return editPage(context, visitor, shown, error.message);
    throw error;
  }
  return seeOther(`${placeOf(uuid)}?done=saved`);
}

/** `POST /workspace/trash/UUID`: leads to where it was, which offers to undo it. */
export async function moveToTrash(
  context: RequestContext,
  deps: WorkspaceDependencies,
  uuid: string,
): Promise<Response> {
  await readForm(context);
  const visitor = await requireVisitor(context, deps);
  const before = await ask(context, deps, visitor.token, pathOf(uuid), { query: { select: ['uuid', 'owner_uuid'] } });
  await change(context, deps, visitor.token, `${pathOf(uuid)}/trash`, { method: 'POST', body: {} });
  const owner = String(before.owner_uuid);
  return seeOther(`${owner.slice(6, 11) === 'j7d0g' ? placeOf(owner) : '/'}?trashed=${uuid}`);
}

/** `POST /workspace/untrash/UUID`. */
export async function bringBack(
  context: RequestContext,
  deps: WorkspaceDependencies,
  service: CallService,
  uuid: string,
): Promise<Response> {
  const form = await readForm(context);
  const visitor = await requireVisitor(context, deps);
  if (kindOf(uuid) === 'collection') {
    const copy = await ask(context, deps, visitor.token, `collections/${uuid}`, {
      query: { include_trash: true, select: ['uuid', 'properties', 'portable_data_hash', 'modified_by_user_uuid'] },
    });
    // Anyone can write such properties: only the visitor's own say where the visitor's files go.
    if (deletedFrom(copy) !== null && copy.modified_by_user_uuid === visitor.user.uuid) {
      const place = placeOf(await restoreFiles(context, deps, service, visitor, copy));
      const next = ownPath(form.get('next'));
      return seeOther(`${next.startsWith(place) ? next : place}?done=restored`);
    }
  }
  await change(context, deps, visitor.token, `${pathOf(uuid)}/untrash`, {
    method: 'POST',
    query: { ensure_unique_name: true },
    body: {},
  });
  return seeOther(`${ownPath(form.get('next') ?? placeOf(uuid))}?done=restored`);
}

export function kindOf(uuid: string): 'collection' | 'group' {
  return uuid.slice(6, 11) === '4zz18' ? 'collection' : 'group';
}

/** The record's address in the API. */
export function pathOf(uuid: string): string {
  return `${kindOf(uuid)}s/${uuid}`;
}

function editPage(context: RequestContext, visitor: Visitor, record: Json, wrong: string | null): Response {
  const isNew = context.url.searchParams.has('new');
  const properties =
    typeof record.properties === 'string' ? record.properties : propertiesText(record.properties ?? {});
  const what = kindOf(record.uuid) === 'collection' ? 'collection' : 'project';
  const title = isNew ? `New ${what}` : `Edit ${what}`;
  const body = html`<nav class="crumbs" aria-label="Path"><a href="${placeOf(record.uuid)}">${record.name || record.uuid}</a><span>/</span></nav><h1>${title}</h1>${wrong !== null && problem(wrong)}
<form class="fields" method="post"><label for="name">Name</label><input id="name" name="name" value="${record.name ?? ''}" required autofocus>
<label for="description">Description <small>Markdown</small></label><textarea id="description" name="description" rows="8">${record.description ?? ''}</textarea>
<label for="properties">Properties <small>one a line: name: value</small></label><textarea id="properties" name="properties" rows="5" spellcheck="false">${properties}</textarea>
<div class="bar"><button class="main">Save</button><a class="button" href="${placeOf(record.uuid)}">Cancel</a></div></form>`;
  return workspacePage(context, visitor, { title, body });
}
