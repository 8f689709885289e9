import type { RequestContext } from '../../http/context.ts';
import { html } from '../../pages/markup.ts';
import { formatTime } from '../../pages/numbers.ts';
import { askAll, type Json } from './api.ts';
import type { WorkspaceDependencies } from './dependencies.ts';
import { inOrder, recordsTable } from './records-table.ts';
import { workspacePage } from './shell.ts';
import { signInPage } from './sign-in.ts';
import { visitorOf } from './visitor.ts';

const MOST = 1000;
const FIELDS = ['uuid', 'name', 'owner_uuid', 'modified_at', 'trash_at', 'delete_at', 'is_trashed'];

/** `/workspace/trash`: collections and projects that can still be brought back. */
export async function trashPage(context: RequestContext, deps: WorkspaceDependencies): Promise<Response> {
  const visitor = await visitorOf(context, deps);
  if (visitor === null) return signInPage(context, deps, null);
  const query = (more: string[]) => ({
    include_trash: true,
    filters: [['is_trashed', '=', true]],
    select: [...FIELDS, ...more],
  });
  const [projects, collections] = await Promise.all([
    askAll(context, deps, visitor.token, 'groups', query([]), MOST),
    askAll(context, deps, visitor.token, 'collections', query(['file_count', 'file_size_total']), MOST),
  ]);
  // What is in a trashed project comes back with it.
  const trashed = new Set(projects.map(({ uuid }) => uuid));
  const own = [...projects, ...collections].filter(
    ({ trash_at, owner_uuid }: Json) => trash_at !== null && !trashed.has(owner_uuid),
  );
  const body = html`<h1>Trash</h1><p class="lead">What was deleted stays here until the time in the last column. A project comes back with all that is in it.</p>
${
  own.length === 0
    ? html`<p class="empty">The trash is empty.</p>`
    : recordsTable(inOrder(own), {
        now: context.now * 1000,
        when: { label: 'Deleted', of: (record) => record.trash_at },
        note: ({ delete_at }) => (delete_at ? `gone for good after ${formatTime(delete_at)}` : null),
        action: ({ uuid }) =>
          html`<form method="post" action="/workspace/untrash/${uuid}"><button>Bring back</button></form>`,
      })
}`;
  return workspacePage(context, visitor, { title: 'Trash', body });
}
