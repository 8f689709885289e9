import type { RequestContext } from '../../http/context.ts';
import { html, visible } from '../../pages/markup.ts';
import { formatCount, formatSize, formatTime } from '../../pages/numbers.ts';
import { ask, askOrNull, change, type Json } from './api.ts';
import type { WorkspaceDependencies } from './dependencies.ts';
import { field, readForm, seeOther } from './forms.ts';
import { nameOf, placeOf } from './records-table.ts';
import { workspacePage } from './shell.ts';
import { requireVisitor } from './visitor.ts';

const SHOWN = 200;

/** `/workspace/versions/UUID`: what a collection was, with a way back. */
export async function versionsPage(
  context: RequestContext,
  deps: WorkspaceDependencies,
  uuid: string,
): Promise<Response> {
  const visitor = await requireVisitor(context, deps);
  const { token } = visitor;
  const record = await ask(context, deps, token, `collections/${uuid}`, {
    query: { select: ['uuid', 'name', 'can_write'] },
  });
  const query = {
    include_old_versions: true,
    filters: [['current_version_uuid', '=', uuid]],
    order: 'version desc',
    limit: SHOWN,
    count: 'none',
    select: ['uuid', 'version', 'modified_at', 'file_count', 'file_size_total', 'name', 'portable_data_hash'],
  };
  const versions: Json[] = (await askOrNull(context, deps, token, 'collections', { query }))?.items ?? [];
  const rows = versions.map(
    (version) =>
      html`<tr><td><a href="${placeOf(version.uuid)}">Version ${version.version}</a></td><td>${formatTime(version.modified_at)}</td><td>${visible(nameOf(version))}</td><td class="count">${formatCount(version.file_count, 'file')}</td><td class="size">${formatSize(version.file_size_total)}</td><td class="act">${
        version.uuid === uuid
          ? 'current'
          : record.can_write &&
            html`<form method="post"><input type="hidden" name="version" value="${version.uuid}"><button aria-label="Restore version ${version.version}">Restore</button></form>`
      }</td></tr>`,
  );
  const body = html`<nav class="crumbs" aria-label="Path"><a href="${placeOf(uuid)}">${visible(nameOf(record))}</a><span>/</span></nav><h1>Versions</h1>
<p class="lead">${versions.length > 1 ? 'Restoring makes the collection what it was then; what it is now stays as a version where versions are kept.' : 'No past versions are kept of this collection. An admin decides that: COLLECTION_VERSIONING.'}</p>
<div class="scroll"><table class="plain stack"><thead><tr><th>Version</th><th>Changed</th><th>Name</th><th class="count">Files</th><th class="size">Size</th><th class="act"><span class="unseen">Action</span></th></tr></thead><tbody>${rows}</tbody></table></div>`;
  return workspacePage(context, visitor, { title: 'Versions', body });
}

/** `POST`: makes the collection what a version was. */
export async function restoreVersion(
  context: RequestContext,
  deps: WorkspaceDependencies,
  uuid: string,
): Promise<Response> {
  const form = await readForm(context);
  const visitor = await requireVisitor(context, deps);
  const version = encodeURIComponent(field(form, 'version'));
  await change(context, deps, visitor.token, `collections/${version}/restore_version`, { method: 'POST', body: {} });
  return seeOther(`${placeOf(uuid)}?done=version`);
}
