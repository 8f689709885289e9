import { plural } from '../../keep/human-format.ts';
import type { Api, Row } from '../api-client.ts';
import type { Command, Given } from '../command.ts';
import { FEW_RETRIES, quickRetryPolicy } from '../retries.ts';
import { openSession } from '../session.ts';
import { oneLine, print } from '../terminal.ts';

export const search: Command = {
  name: 'search',
  summary: 'find projects and collections by words in names, descriptions, properties and file names',
  usage: 'WORD... | --status | --rebuild',
  forms: { '': [1, Infinity], '--status': [0, 0], '--rebuild': [0, 0] },
  options: {
    limit: { value: 'N', forms: [''], help: 'results to show (50)' },
    json: { value: null, help: 'what the service answers, one result a line' },
    status: { value: null, help: 'the state of the search index (admins)' },
    rebuild: { value: null, help: 'empty the search index and fill it again (admins)' },
    retries: FEW_RETRIES,
  },
  help: `
All words must be there, in any order and in part; capital letters do not matter, and one word has three characters or
more. Several words in quotes belong together. The newest come first.

  keep-edge search whale bam
  keep-edge search '"run 42"' --limit 5`,
  run: runSearch,
};

const DEFAULT_RESULTS = 50;
const PAGE = 100;

async function runSearch(given: Given): Promise<number> {
  const session = openSession({ retry: quickRetryPolicy(given) });
  try {
    const tell = (state: Row) => print(given.has('json') ? JSON.stringify(state) : stateLine(state));
    if (given.form === '--status') tell(await session.api('keep-edge/v1/search'));
    else if (given.form === '--rebuild') tell(await rebuild(session.api));
    else await find(session.api, given);
    return 0;
  } finally {
    session.close();
  }
}

async function find(api: Api, given: Given): Promise<void> {
  const q = given.arguments.map((word) => (/\s/.test(word) && !word.includes('"') ? `"${word}"` : word)).join(' ');
  const wanted = given.count('limit') ?? DEFAULT_RESULTS;
  let shown = 0;
  for (let after = ''; shown < wanted; ) {
    const limit = String(Math.min(PAGE, wanted - shown));
    const { items, next } = await api('arvados/v1/search', { query: { q, limit, ...(after === '' ? {} : { after }) } });
    const page = (items as Row[]).slice(0, wanted - shown);
    for (const item of page) print(given.has('json') ? JSON.stringify(item) : line(item));
    shown += page.length;
    if (typeof next !== 'string') break;
    after = next;
  }
  if (shown === 0 && !given.has('json')) print('Nothing found.');
}

async function rebuild(api: Api): Promise<Row> {
  let state = await api('keep-edge/v1/search/rebuild', { method: 'POST', body: {} });
  while (state.complete !== true || Number(state.waiting) > 0)
    state = await api('keep-edge/v1/search/continue', { method: 'POST', body: {} });
  return state;
}

function stateLine({ bound, complete, waiting }: Row): string {
  if (bound !== true) return 'There is no search index: bind SEARCH in wrangler.toml (docs/operate.md).';
  const rest = `${plural(Number(waiting), 'changed record')} to take in`;
  return complete === true ? `The search index is complete, ${rest}.` : `The search index is being filled, ${rest}.`;
}

function line({ uuid, name, matching_files }: Row): string {
  const files = Array.isArray(matching_files) && matching_files.length > 0 ? `  (${matching_files.join(', ')})` : '';
  return `${uuid}  ${oneLine(String(name))}${oneLine(files)}`;
}
