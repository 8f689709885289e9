import type { RequestContext } from '../../http/context.ts';
import { htmlPage } from '../../pages/html-page.ts';
import { html } from '../../pages/markup.ts';
import { formatCount } from '../../pages/numbers.ts';
import { ApiProblem, ask, type Json } from './api.ts';
import type { WorkspaceDependencies } from './dependencies.ts';
import { ownerNames } from './record-lists.ts';
import { recordsTable } from './records-table.ts';
import { barOf, problem } from './shell.ts';
import { visitorOf } from './visitor.ts';

const SHOWN = 50;
/** Pages of the index that are looked through for one page here: some are short. */
const MOST_PAGES = 5;

/** `/workspace/search?q=`: names, descriptions, properties and file names of all that the visitor may read. */
export async function searchPage(context: RequestContext, deps: WorkspaceDependencies): Promise<Response> {
  const visitor = await visitorOf(context, deps);
  const q = (context.url.searchParams.get('q') ?? '').trim().slice(0, 200);
  const token = visitor?.token ?? deps.settings.anonymousToken;
  let items: Json[] = [];
  let next: string | null = context.url.searchParams.get('after');
  let wrong: string | null = null;
  if (q !== '' && token !== null) {
    try {
      for (let page = 0; page < MOST_PAGES && items.length < SHOWN && (page === 0 || next !== null); page++) {
        const answer: Json = await ask(context, deps, token, 'search', {
          query: { q, limit: SHOWN - items.length, ...(next === null ? {} : { after: next }) },
        });
        items = [...items, ...answer.items];
        next = answer.next;
      }
    } catch (error) {
      if (!(error instanceof ApiProblem) || error.status >= 500) throw error;
      wrong =
        deps.settings.besideCluster && error.status === 404
          ? 'The API of this cluster offers no such search.'
          : error.message;
    }
  }
  const owners = visitor === null ? undefined : await ownerNames(items, context, deps, visitor);
  const table = recordsTable(items, {
    now: context.now * 1000,
    ...(owners === undefined ? {} : { owners }),
    note: ({ matching_files, description }) =>
      matching_files?.length > 0
        ? `Files: ${matching_files.join(', ')}`
        : description
          ? plainOf(String(description).slice(0, 2000)).slice(0, 160)
          : null,
  });
  const body = html`<h1>${q === '' ? 'Search' : `Search: ${q}`}</h1>${wrong !== null && problem(wrong)}${
    q === ''
      ? html`<p class="lead">Type words: each must be part of a name, a description, a property or the name of a file. Words in “quotes” belong together.</p>`
      : items.length === 0 && wrong === null
        ? html`<p class="empty">Nothing that you may see has all of these words. Try fewer, or only the beginning of one.</p>`
        : items.length > 0 &&
          html`<p class="facts" role="status">${next === null ? '' : 'The first '}${formatCount(items.length, 'entry', 'entries')}</p>${table}`
  }${next !== null && items.length > 0 && html`<p><a href="?q=${encodeURIComponent(q)}&after=${encodeURIComponent(next)}">More</a></p>`}`;
  return htmlPage({ title: q === '' ? 'Search' : `${q} – search`, body, bar: barOf(visitor, q, '/') });
}

/** The words of a Markdown text, without what only shapes them. */
function plainOf(text: string): string {
  return text
    .replace(/!?\[([^[\]]*)\]\([^()]*\)/g, '$1')
    .replace(/[*`]+|^[#>]+/gm, '')
    .replace(/\s+/g, ' ')
    .trim();
}
