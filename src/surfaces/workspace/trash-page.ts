import type { RequestContext } from '../../http/context.ts';
import { html } from '../../pages/markup.ts';
import { formatTime } from '../../pages/numbers.ts';
import { askAll, type Json } from './api.ts';
import { RESTORED } from './deleted-files.ts';
import type { WorkspaceDependencies } from './dependencies.ts';
import { inOrder, recordsTable } from './records-table.ts';
import { workspacePage } from './shell.ts';
import { requireVisitor } from './visitor.ts';

const MOST = 1000;
const FIELDS = ['uuid', 'name', 'owner_uuid', 'modified_at', 'trash_at', 'delete_at', 'is_trashed'];

/** `/workspace/trash`: collections and projects that can still be brought back. */
export async function trashPage(context: RequestContext, deps: WorkspaceDependencies): Promise<Response> {
  const visitor = await requireVisitor(context, deps);
  // Properties are left out: they can be large, for a thousand records.
  const query = (filters: unknown[], fields: string[]) => ({
    include_trash: true,
    filters: [['is_trashed', '=', true], ...filters],
    select: [...FIELDS, ...fields],
  });
  const [projects, collections] = await Promise.all([
    askAll(context, deps, visitor.token, 'groups', query([], []), MOST),
    askAll(
      context,
      deps,
      visitor.token,
      'collections',
      query([[`properties.${RESTORED}`, 'exists', false]], ['file_count', 'file_size_total']),
      MOST,
    ),
  ]);
  // What is in a trashed project comes back with it.
  const trashed = new Set(projects.map(({ uuid }) => uuid));
  const own = [...projects, ...collections].filter(
    (record: Json) => record.trash_at !== null && !trashed.has(record.owner_uuid),
  );
  const body = html`<h1>Trash</h1><p class="lead">What was deleted stays here for a while, then it is gone for good. A project comes back with all that is in it, a file that you deleted in the collection that it was in.</p>
${
  own.length === 0
    ? html`<p class="empty">The trash is empty.</p>`
    : recordsTable(inOrder(own), {
        now: context.now * 1000,
        when: { label: 'Deleted', of: (record) => record.trash_at },
        note: ({ delete_at }) => (delete_at ? `gone for good after ${formatTime(delete_at)}` : null),
        link: () => false,
        action: ({ uuid, name }) =>
          html`<form method="post" action="/workspace/untrash/${uuid}"><button aria-label="Bring back ${name ?? uuid}">Bring back</button></form>`,
      })
}`;
  return workspacePage(context, visitor, { title: 'Trash', body });
}
