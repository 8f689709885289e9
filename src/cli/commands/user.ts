import { plural } from '../../keep/human-format.ts';
import { listAll } from '../all-records.ts';
import type { Api, Row } from '../api-client.ts';
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
  forms: { list: [0, 0], add: [1, 1], admin: [1, 1], deactivate: [1, 1], activate: [1, 1], transfer: [2, 2] },
  options: {
    email: { value: 'ADDRESS', forms: ['add'], help: 'their address' },
    'full-name': { value: 'TEXT', forms: ['add'], help: '"Ada Lovelace"' },
    admin: { value: null, forms: ['add'], help: 'as an admin' },
    off: { value: null, forms: ['admin'], help: 'an ordinary user again' },
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
  const session = openSession({ retry: quickRetryPolicy(given) });
  try {
    const rows = (await VERBS[given.form]?.(session.api, given.arguments, given)) ?? [];
    if (given.has('json')) for (const row of rows) printJson(row);
    else if (given.form === 'transfer') print(String(rows[0]?.project_uuid));
    else printTable(rows, COLUMNS);
    return 0;
  } finally {
    session.close();
  }
}

type Act = (api: Api, words: string[], given: Given) => Promise<Row[]>;

const VERBS: Record<string, Act> = {
  async list(api) {
    const users = await listAll(api, 'users', { filters: [['is_uploader', '=', false]] });
    // It stands for the public.
    return users.filter(({ uuid }) => !String(uuid).endsWith('-anonymouspublic'));
  },
  async add(api, [username = ''], given) {
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
  admin: (api, words, given) => change(api, words, { is_admin: !given.has('off') }),
  deactivate: (api, words) => change(api, words, { is_active: false }),
  activate: (api, words) => change(api, words, { is_active: true }),
  transfer,
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
