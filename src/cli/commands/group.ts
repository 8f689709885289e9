import { listAll } from '../all-records.ts';
import type { Api, Row } from '../api-client.ts';
import { CliError } from '../cli-error.ts';
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
  forms: { list: [0, 0], make: [1, 1], members: [1, 1], add: [2, 2], remove: [2, 2], delete: [1, 1] },
  options: {
    json: { value: null, forms: ['list', 'make', 'members'], help: 'records as JSON' },
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

/** The verbs that show records. */
const SHOWING: Record<string, { columns: TableColumn<Row>[]; run: (api: Api, words: string[]) => Promise<Row[]> }> = {
  list: {
    columns: GROUPS,
    run: (api) => listAll(api, 'groups', { filters: [['group_class', '=', 'role']] }),
  },
  make: {
    columns: GROUPS,
    async run(api, [name]) {
      const group = { name, group_class: 'role' };
      return [await api('arvados/v1/groups', { method: 'POST', body: { group } }).catch(nameTaken('group', name))];
    },
  },
  members: {
    columns: MEMBERS,
    async run(api, [name = '']) {
      const links = await listAll(api, 'links', { filters: memberships(await roleOf(api, name)) });
      const uuids = links.map(({ tail_uuid }) => tail_uuid);
      return listAll(api, 'users', { filters: [['uuid', 'in', uuids]] });
    },
  },
};

/** The verbs that change something and say so. */
const CHANGING: Record<string, (api: Api, words: string[]) => Promise<string>> = {
  async add(api, [name = '', member = '']) {
    const head_uuid = await roleOf(api, name);
    const { uuid: tail_uuid } = await recipientOf(api, member);
    const link = { link_class: 'permission', name: 'can_read', tail_uuid, head_uuid };
    await api('arvados/v1/links', { method: 'POST', body: { link } });
    return `${member} is a member of ${name}.`;
  },
  async remove(api, [name = '', member = '']) {
    const { uuid } = await recipientOf(api, member);
    const filters = [...memberships(await roleOf(api, name)), ['tail_uuid', '=', uuid]];
    const links = await listAll(api, 'links', { filters });
    if (links.length === 0) throw new CliError(`${member} is no member of ${name}.`);
    for (const link of links) await api(`arvados/v1/links/${link.uuid}`, { method: 'DELETE' });
    return `${member} is no member of ${name} any more.`;
  },
  async delete(api, [name = '']) {
    await api(`arvados/v1/groups/${await roleOf(api, name)}`, { method: 'DELETE' });
    return `${name} is deleted.`;
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
  const session = openSession({ retry: quickRetryPolicy(given) });
  try {
    const changing = CHANGING[given.form];
    const showing = SHOWING[given.form];
    if (changing !== undefined) note(await changing(session.api, given.arguments));
    else if (showing !== undefined) {
      const rows = await showing.run(session.api, given.arguments);
      if (given.has('json')) for (const row of rows) printJson(row);
      else printTable(rows, showing.columns);
    }
    return 0;
  } finally {
    session.close();
  }
}
