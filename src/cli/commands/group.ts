import { listAll } from '../all-records.ts';
import type { Api, Row } from '../api-client.ts';
import { CliError, usageError } from '../cli-error.ts';
import type { Command, Given } from '../command.ts';
import { FEW_RETRIES, quickRetryPolicy } from '../retries.ts';
import { openSession } from '../session.ts';
import { printTable, type TableColumn } from '../table.ts';
import { note, printJson } from '../terminal.ts';
import { nameTaken, recipientOf } from './recipients.ts';

export const group: Command = {
  name: 'group',
  summary: 'groups of people (roles), for sharing: list, make, members, add, remove, delete',
  usage: 'list | make NAME | members GROUP | add GROUP USER | remove GROUP USER | delete GROUP',
  completes: ['list', 'make', 'members', 'add', 'remove', 'delete'],
  options: {
    json: { value: null, help: 'records as JSON' },
    retries: FEW_RETRIES,
  },
  help: `
What is shared with a group (keep-edge share UUID --with GROUP) is shared with all its members. Who makes a group manages it.

  keep-edge group make sequencing && keep-edge group add sequencing ada`,
  run: runGroup,
};

const GROUPS: TableColumn<Row>[] = [
  { title: 'UUID', of: ({ uuid }) => uuid },
  { title: 'NAME', of: ({ name }) => name },
];
const MEMBERS: TableColumn<Row>[] = [
  { title: 'UUID', of: ({ uuid }) => uuid },
  { title: 'NAME', of: ({ username, full_name }) => username ?? full_name ?? '' },
];

type Act = (api: Api, words: string[]) => Promise<Row[]>;

const VERBS: Record<string, { words: number; columns: TableColumn<Row>[]; run: Act }> = {
  list: {
    words: 0,
    columns: GROUPS,
    run: (api) => listAll(api, 'groups', { filters: [['group_class', '=', 'role']] }),
  },
  make: {
    words: 1,
    columns: GROUPS,
    async run(api, [name]) {
      const group = { name, group_class: 'role' };
      return [await api('arvados/v1/groups', { method: 'POST', body: { group } }).catch(nameTaken('group', name))];
    },
  },
  members: {
    words: 1,
    columns: MEMBERS,
    async run(api, [name = '']) {
      const links = await listAll(api, 'links', { filters: memberships(await roleOf(api, name)) });
      const uuids = links.map(({ tail_uuid }) => tail_uuid);
      return listAll(api, 'users', { filters: [['uuid', 'in', uuids]] });
    },
  },
  add: {
    words: 2,
    columns: GROUPS,
    async run(api, [name = '', member = '']) {
      const head_uuid = await roleOf(api, name);
      const { uuid: tail_uuid } = await recipientOf(api, member);
      const link = { link_class: 'permission', name: 'can_read', tail_uuid, head_uuid };
      await api('arvados/v1/links', { method: 'POST', body: { link } });
      note(`${member} is a member of ${name}.`);
      return [];
    },
  },
  remove: {
    words: 2,
    columns: GROUPS,
    async run(api, [name = '', member = '']) {
      const { uuid } = await recipientOf(api, member);
      const filters = [...memberships(await roleOf(api, name)), ['tail_uuid', '=', uuid]];
      const links = await listAll(api, 'links', { filters });
      if (links.length === 0) throw new CliError(`${member} is no member of ${name}.`);
      for (const link of links) await api(`arvados/v1/links/${link.uuid}`, { method: 'DELETE' });
      note(`${member} is no member of ${name} any more.`);
      return [];
    },
  },
  delete: {
    words: 1,
    columns: GROUPS,
    async run(api, [name = '']) {
      await api(`arvados/v1/groups/${await roleOf(api, name)}`, { method: 'DELETE' });
      note(`${name} is deleted.`);
      return [];
    },
  },
};

function memberships(role: string): unknown[] {
  return [
    ['link_class', '=', 'permission'],
    ['head_uuid', '=', role],
  ];
}

async function roleOf(api: Api, name: string): Promise<string> {
  const { uuid } = await recipientOf(api, name);
  if (!uuid.includes('-j7d0g-')) throw new CliError(`${name} is no group.`);
  return uuid;
}

async function runGroup(given: Given): Promise<number> {
  const [verb = '', ...words] = given.arguments;
  const act = Object.hasOwn(VERBS, verb) ? VERBS[verb] : undefined;
  if (act === undefined || words.length !== act.words || words.includes(''))
    throw usageError(`Write: keep-edge group ${group.usage}`);
  const session = openSession({ retry: quickRetryPolicy(given) });
  try {
    const rows = await act.run(session.api, words);
    if (given.has('json')) for (const row of rows) printJson(row);
    else printTable(rows, act.columns);
    return 0;
  } finally {
    session.close();
  }
}
