import type { Api, Row } from '../api-client.ts';
import type { Command, Given } from '../command.ts';
import { FEW_RETRIES, quickRetryPolicy } from '../retries.ts';
import { openSession } from '../session.ts';
import { note, printJson, printRow } from '../terminal.ts';

export const uploader: Command = {
  name: 'uploader',
  summary: 'accounts that may only upload: create, list, deactivate',
  usage: 'create NAME | list | deactivate UUID',
  forms: { create: [1, 1], list: [0, 0], deactivate: [1, 1] },
  options: {
    owner: { value: 'UUID', forms: ['create'], help: 'the user to whom its uploads belong; you otherwise' },
    json: { value: null, help: 'records as JSON' },
    retries: FEW_RETRIES,
  },
  help: `
"create" prints the account's token, once: it cannot be shown again. With it, keep-edge put and arv-put work, and
nothing else does. "deactivate" makes the token useless; what was uploaded stays.

Only services that keep their own accounts know uploaders; a cluster's API server does not.`,
  run: runUploader,
};

async function runUploader(given: Given): Promise<number> {
  const [argument = ''] = given.arguments;
  const session = openSession({ retry: quickRetryPolicy(given) });
  try {
    const rows = (await VERBS[given.form]?.(session.api, argument, given)) ?? [];
    for (const row of rows) {
      if (given.has('json')) printJson(row);
      else printRow(describe(row));
    }
    return 0;
  } finally {
    session.close();
  }
}

const VERBS: Record<string, (api: Api, argument: string, given: Given) => Promise<Row[]>> = {
  async create(api, name, given) {
    const record = { name, owner_uuid: given.text('owner') };
    const made = await api('arvados/v1/uploader_accounts', { method: 'POST', body: { uploader_account: record } });
    if (!given.has('json')) note('The last column is its token. It is not shown again.');
    return [made];
  },
  async list(api) {
    const rows: Row[] = [];
    for (let offset = 0; ; ) {
      const filters = [['is_uploader', '=', true]];
      const page = await api('arvados/v1/users', { query: { filters, order: ['created_at', 'uuid'], offset } });
      const items = (page.items ?? []) as Row[];
      rows.push(...items);
      offset += items.length;
      if (items.length === 0 || offset >= Number(page.items_available)) return rows;
    }
  },
  async deactivate(api, uuid) {
    return [
      await api(`arvados/v1/users/${encodeURIComponent(uuid)}`, {
        method: 'PUT',
        body: { user: { is_active: false } },
      }),
    ];
  },
};

function describe({ uuid, full_name, first_name, is_active, api_token }: Row): unknown[] {
  const state = is_active === false ? 'deactivated' : 'active';
  return [uuid, state, full_name ?? first_name, ...(api_token === undefined ? [] : [api_token])];
}
