import { KeepError } from '../../keep/errors.ts';
import type { Search } from '../../search/search.ts';

/** `GET search`: whether the search index is there, complete, and how many changed records wait for it. */
export async function searchState(search: Search | null): Promise<Response> {
  return Response.json(await bound(search).state());
}

/**
 * `POST search/rebuild` empties the index and begins to fill it; `POST search/continue` goes on. Both do one step of some
 * ten thousand records and answer the state: ask again until `complete`. The cron does the same in the background.
 */
export async function searchAction(action: string, search: Search | null): Promise<Response> {
  const found = bound(search);
  if (action !== 'rebuild' && action !== 'continue')
    throw new KeepError('not_found', { message: 'search takes rebuild or continue' });
  if (action === 'rebuild' && !(await found.restart()))
    throw new KeepError('not_configured', {
      message: 'the search index needs the D1 binding SEARCH: see docs/operate.md',
    });
  await found.work();
  return Response.json(await found.state());
}

function bound(search: Search | null): Search {
  if (search === null)
    throw new KeepError('not_found', { message: 'collections are kept by the cluster: search there' });
  return search;
}
