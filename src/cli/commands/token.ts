import { listAll } from '../all-records.ts';
import { type Api, ApiError, type Row } from '../api-client.ts';
import { CliError, usageError } from '../cli-error.ts';
import type { Command, Given } from '../command.ts';
import { FEW_RETRIES, quickRetryPolicy } from '../retries.ts';
import { openSession } from '../session.ts';
import { printTable, type TableColumn } from '../table.ts';
import { note, print, printJson } from '../terminal.ts';
import { expiryIn, recipientOf } from './recipients.ts';

export const token: Command = {
  name: 'token',
  summary: 'tokens, your own or (admins) those of others: make, list, revoke',
  usage: 'make | list | revoke UUID',
  forms: {
    make: [0, 0],
    'make --read': [0, 0],
    'make --upload-only': [0, 0],
    'make --read-only': [0, 0],
    list: [0, 0],
    revoke: [1, 1],
  },
  options: {
    read: {
      value: 'COLLECTION',
      multiple: true,
      help: 'it may only read this collection and its files.\nA portable data hash opens that content only, as DRS\nwants it. May be repeated',
    },
    'upload-only': {
      value: null,
      help: 'it may only upload: an uploader account of yours with one token',
    },
    name: { value: 'TEXT', forms: ['make --upload-only'], help: 'name of that account' },
    'read-only': { value: null, help: 'it may read whatever you may, and change nothing' },
    expires: { value: 'TIME', forms: ['make'], help: 'it ends then: 30d, 12h, 90m' },
    user: { value: 'USER', forms: ['make', 'list'], help: 'of this user (admins)' },
    json: { value: null, help: 'records as JSON' },
    retries: FEW_RETRIES,
  },
  help: `
"make" prints the token, once: it cannot be shown again. A token that is limited gives out only what it has itself.
"revoke" takes the UUID, the middle of v2/UUID/SECRET, and works at once where it was asked, within TOKEN_CACHE_TTL
everywhere.

  keep-edge token make --read xedge-4zz18-000000000000000 --expires 30d
  keep-edge token make --upload-only --expires 12h`,
  run: runToken,
};

const COLLECTION = /^([a-z0-9]{5}-4zz18-[a-z0-9]{15}|[0-9a-f]{32}\+\d+)$/;

const TOKEN = /^[a-z0-9]{5}-gj3su-[a-z0-9]{15}$/;

const COLUMNS: TableColumn<Row>[] = [
  { title: 'UUID', of: ({ uuid }) => uuid },
  { title: 'OWNER', of: ({ owner_uuid }) => owner_uuid },
  {
    title: 'EXPIRES',
    of: ({ expires_at }) => (expires_at === null ? 'never' : String(expires_at).slice(0, 16)),
    colour: ({ expires_at }) => (expires_at !== null && Date.parse(String(expires_at)) < Date.now() ? 31 : null),
  },
  { title: 'MAY', of: ({ scopes }) => inWords(scopes as string[]) },
];

async function runToken(given: Given): Promise<number> {
  const [uuid = ''] = given.arguments;
  const session = openSession({ retry: quickRetryPolicy(given) });
  try {
    const { api } = session;
    if (given.form === 'list') {
      const filters = given.text('user') === undefined ? [] : [['owner_uuid', '=', await ownerOf(api, given)]];
      const rows = await listAll(api, 'api_client_authorizations', { filters });
      if (given.has('json')) for (const row of rows) printJson(row);
      else printTable(rows, COLUMNS);
    } else if (given.form === 'revoke') {
      const own = uuid.split('/')[1] ?? uuid;
      if (!TOKEN.test(own))
        throw usageError('revoke takes the UUID of a token (xxxxx-gj3su-...): keep-edge token list');
      const row = await api(`arvados/v1/api_client_authorizations/${own}`, { method: 'DELETE' }).catch(notThere(own));
      if (given.has('json')) printJson(row);
      else print(`${row.uuid} is revoked.`);
    } else if (given.form === 'make --upload-only') await makeUploadOnly(api, given);
    else await make(api, given);
    return 0;
  } finally {
    session.close();
  }
}

function notThere(uuid: string): (error: unknown) => never {
  return (error) => {
    if (error instanceof ApiError && error.status === 404)
      throw new CliError(`There is no token ${uuid}, or it is not yours to revoke.`);
    throw error;
  };
}

async function make(api: Api, given: Given): Promise<void> {
  const scopes = scopesFor(given);
  const record = {
    scopes,
    expires_at: expiryIn(given.text('expires'), Date.now()),
    ...(given.text('user') === undefined ? {} : { owner_uuid: await ownerOf(api, given) }),
  };
  const made = await api('arvados/v1/api_client_authorizations', {
    method: 'POST',
    body: { api_client_authorization: record },
  });
  if (given.has('json')) printJson({ ...made, token: `v2/${made.uuid}/${made.api_token}` });
  else {
    note(`It may ${inWords(scopes)}, until ${record.expires_at ?? 'it is revoked'}. It is not shown again.`);
    print(`v2/${made.uuid}/${made.api_token}`);
  }
}

/** An account of its own, because a token of the user could read what it saves to. */
async function makeUploadOnly(api: Api, given: Given): Promise<void> {
  const record = {
    name: given.text('name') ?? 'upload-only token',
    ...(given.text('user') === undefined ? {} : { owner_uuid: await ownerOf(api, given) }),
  };
  const made = await api('arvados/v1/uploader_accounts', { method: 'POST', body: { uploader_account: record } });
  const text = String(made.api_token);
  const expires_at = expiryIn(given.text('expires'), Date.now());
  if (expires_at !== null)
    await api(`arvados/v1/api_client_authorizations/${text.split('/')[1]}`, {
      method: 'PUT',
      body: { api_client_authorization: { expires_at } },
    });
  if (given.has('json')) printJson({ ...made, expires_at });
  else {
    note(
      `It may only upload, until ${expires_at ?? 'it is revoked'}; what it uploads belongs to ${made.uuid}, and that to you.`,
    );
    print(text);
  }
}

async function ownerOf(api: Api, given: Given): Promise<string> {
  return (await recipientOf(api, given.text('user') ?? '')).uuid;
}

const READ_SERVICES = 'GET /arvados/v1/keep_services/accessible';
const DISCOVER = ['GET /discovery/v1/apis/arvados/v1/rest', 'GET /arvados/v1/config', 'GET /arvados/v1/users/current'];
const READS = ['GET /', 'HEAD /', 'OPTIONS /', 'PROPFIND /'];
function scopesFor(given: Given): string[] {
  if (given.form === 'make --read-only') return READS;
  if (given.form === 'make') return ['all'];
  const collections = given.all('read');
  const bad = collections.find((uuid) => !COLLECTION.test(uuid));
  if (bad !== undefined)
    throw usageError('--read takes the UUID of a collection (xxxxx-4zz18-...) or a portable data hash.');
  return [
    ...collections.flatMap((uuid) => [`GET /arvados/v1/collections/${uuid}`, `GET /arvados/v1/collections/${uuid}/`]),
    ...DISCOVER,
    READ_SERVICES,
  ];
}

function inWords(scopes: readonly string[]): string {
  if (scopes.includes('all')) return 'do everything that its user may';
  const same = (other: readonly string[]) =>
    other.length === scopes.length && other.every((one) => scopes.includes(one));
  if (same(READS)) return 'only read';
  const collections = new Set(scopes.flatMap((scope) => /collections\/([^/]+)/.exec(scope)?.[1] ?? []));
  return collections.size > 0 ? `only read ${[...collections].join(', ')}` : scopes.join(', ') || 'do nothing';
}
