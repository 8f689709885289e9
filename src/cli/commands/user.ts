import { plural } from '../../keep/human-format.ts';
import { listAll } from '../all-records.ts';
import type { Api, Row } from '../api-client.ts';
import { usageError } from '../cli-error.ts';
import type { Command, Given } from '../command.ts';
import { FEW_RETRIES, quickRetryPolicy } from '../retries.ts';
import { openSession } from '../session.ts';
import { printTable, type TableColumn } from '../table.ts';
import { note, print, printJson } from '../terminal.ts';
import { nameTaken, recipientOf } from './recipients.ts';

export const user: Command = {
  name: 'user',
  summary: 'people: list, add, make admin, deactivate, hand over what they own (admins)',
  usage: 'list | add NAME | admin USER | deactivate USER | activate USER | transfer FROM TO',
  completes: ['list', 'add', 'admin', 'deactivate', 'activate', 'transfer'],
  options: {
    email: { value: 'ADDRESS', verbs: ['add'], help: 'their address' },
    'full-name': { value: 'TEXT', verbs: ['add'], help: '"Ada Lovelace"' },
    admin: { value: null, verbs: ['add'], help: 'as an admin' },
    off: { value: null, verbs: ['admin'], help: 'an ordinary user again' },
    json: { value: null, help: 'records as JSON' },
    retries: FEW_RETRIES,
  },
  help: `
USER is a user name, an address or a UUID. "add" makes the account; keep-edge token make --user NAME its first token.
"deactivate" ends all access of an account, at once where it was asked and within TOKEN_CACHE_TTL everywhere.
"transfer": a new project in the home of TO takes everything that FROM owns, also what was shared from there, and the
tokens and permissions of FROM end. It works in steps: started again, it goes on.

  keep-edge user add ada --full-name "Ada Lovelace" --email ada@example.org
  keep-edge user transfer ada grace && keep-edge user deactivate ada`,
  run: runUser,
};

const COLUMNS: TableColumn<Row>[] = [
  { title: 'UUID', of: ({ uuid }) => uuid },
  { title: 'NAME', of: ({ username }) => username ?? '-' },
  {
    title: 'STATE',
    of: ({ is_active, is_admin }) => (is_active === false ? 'deactivated' : is_admin === true ? 'admin' : 'active'),
    colour: ({ is_active, is_admin }) => (is_active === false ? 31 : is_admin === true ? 33 : 32),
  },
  { title: 'FULL NAME', of: ({ full_name }) => full_name ?? '' },
  { title: 'EMAIL', of: ({ email }) => email ?? '' },
];

async function runUser(given: Given): Promise<number> {
  const [verb = '', ...words] = given.arguments;
  const act = Object.hasOwn(VERBS, verb) ? VERBS[verb] : undefined;
  if (act === undefined || words.length !== act.words || words.includes(''))
    throw usageError(`Write: keep-edge user ${user.usage}`);
  const session = openSession({ retry: quickRetryPolicy(given) });
  try {
    const rows = await act.run(session.api, words, given);
    if (given.has('json')) for (const row of rows) printJson(row);
    else if (verb === 'transfer') print(String(rows[0]?.project_uuid));
    else printTable(rows, COLUMNS);
    return 0;
  } finally {
    session.close();
  }
}

type Act = (api: Api, words: string[], given: Given) => Promise<Row[]>;

const VERBS: Record<string, { words: number; run: Act }> = {
  list: {
    words: 0,
    async run(api) {
      const users = await listAll(api, 'users', { filters: [['is_uploader', '=', false]] });
      // It stands for the public.
      return users.filter(({ uuid }) => !String(uuid).endsWith('-anonymouspublic'));
    },
  },
  add: {
    words: 1,
    async run(api, [username = ''], given) {
      const [first_name = username, ...last] = (given.text('full-name') ?? username).split(' ');
      const record = {
        username,
        first_name,
        last_name: last.join(' '),
        email: given.text('email') ?? '',
        is_admin: given.has('admin'),
        is_active: true,
      };
      return [
        await api('arvados/v1/users', { method: 'POST', body: { user: record } }).catch(nameTaken('user', username)),
      ];
    },
  },
  admin: { words: 1, run: (api, words, given) => change(api, words, { is_admin: !given.has('off') }) },
  deactivate: { words: 1, run: (api, words) => change(api, words, { is_active: false }) },
  activate: { words: 1, run: (api, words) => change(api, words, { is_active: true }) },
  transfer: { words: 2, run: transfer },
};

async function change(api: Api, [name = '']: string[], attributes: Row): Promise<Row[]> {
  const { uuid } = await recipientOf(api, name);
  return [await api(`arvados/v1/users/${uuid}`, { method: 'PUT', body: { user: attributes } })];
}

async function transfer(api: Api, [from = '', to = '']: string[]): Promise<Row[]> {
  const [leaver, successor] = [await recipientOf(api, from), await recipientOf(api, to)];
  let moved = 0;
  for (;;) {
    const step = await api(`arvados/v1/users/${leaver.uuid}/transfer`, {
      method: 'POST',
      body: { transfer: { to: successor.uuid } },
    });
    moved += Number(step.moved);
    if (step.remaining === true) continue;
    note(`${plural(moved, 'collection, project or account', 'collections, projects or accounts')} handed over.`);
    return [step];
  }
}
