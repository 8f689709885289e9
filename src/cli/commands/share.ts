import { plural } from '../../keep/human-format.ts';
import { type Api, ApiError, type Row } from '../api-client.ts';
import { CliError, usageError } from '../cli-error.ts';
import type { Command, Given } from '../command.ts';
import { FEW_RETRIES, quickRetryPolicy } from '../retries.ts';
import { openSession } from '../session.ts';
import { note, print, printJson, printRow } from '../terminal.ts';
import { expiryIn, isPermission, type Recipient, recipientOf } from './recipients.ts';

export const share: Command = {
  name: 'share',
  summary: 'share a collection or project: by a link, with people, or with everyone',
  usage: 'COLLECTION|PROJECT',
  forms: { '': [1, 1], '--with': [1, 1], '--list': [1, 1], '--revoke': [1, 1] },
  options: {
    with: { value: 'WHO', help: 'a username, e-mail address, role or UUID; "everyone" with an account, or "public"' },
    can: { value: 'LEVEL', forms: ['--with'], help: 'read (default), write or manage' },
    expires: {
      value: 'TIME',
      forms: [''],
      help: 'the link ends\nafter this, such as 30d or 12h; permissions do not expire',
    },
    name: { value: 'TEXT', forms: [''], help: 'a name\nfor the link, to tell it from others' },
    list: { value: null, help: 'show who has access and which links there are' },
    revoke: { value: 'WHAT', help: 'end the link or the permission with this UUID, or the permission of WHO' },
    'dry-run': { value: null, forms: ['', '--with'], help: 'say who would see it,\nand change nothing' },
    json: { value: null, forms: ['', '--with', '--list'], help: 'records as JSON' },
    retries: FEW_RETRIES,
  },
  help: `
Without --with it makes a link: who has its address reads this one collection, without an account, until the link
expires, is revoked, or you lose the collection yourself. The address is shown once: only its hash is kept.

With --with it gives permission to a person, a role or everyone, and says how many people that is.

  keep-edge share xedge-4zz18-0123456789abcde --expires 30d
  keep-edge share xedge-j7d0g-0123456789abcde --with bob --can write
  keep-edge share xedge-4zz18-0123456789abcde --with public --dry-run
  keep-edge share xedge-4zz18-0123456789abcde --list`,
  run: runShare,
};

async function runShare(given: Given): Promise<number> {
  const [uuid = ''] = given.arguments;
  if (!/^[0-9a-z]{5}-(4zz18|j7d0g)-[0-9a-z]{15}$/.test(uuid))
    throw usageError('Write: keep-edge share UUID, the UUID of a collection or project.');
  const session = openSession({ retry: quickRetryPolicy(given) });
  try {
    const { api } = session;
    if (given.form === '--list') await list(api, uuid, given);
    else if (given.form === '--revoke') await revoke(api, uuid, given.text('revoke') ?? '');
    else if (given.form === '--with') await permit(api, uuid, await recipientOf(api, given.text('with') ?? ''), given);
    else await link(api, uuid, given);
    return 0;
  } finally {
    session.close();
  }
}

async function permit(api: Api, uuid: string, recipient: Recipient, given: Given): Promise<void> {
  const level = given.text('can') ?? 'read';
  if (!['read', 'write', 'manage'].includes(level)) throw usageError('--can takes read, write or manage.');
  const { people } = await api(`arvados/v1/audience/${recipient.uuid}`);
  const seen = people === null ? 'everyone, with or without an account' : plural(Number(people), 'person', 'people');
  if (given.has('dry-run')) {
    await api(`arvados/v1/permissions/${uuid}`, { query: { limit: 0 } });
    return given.has('json')
      ? printJson({ uuid, with: recipient.uuid, can: level, people })
      : print(`${recipient.name} could ${level} it: ${seen}. Nothing was changed.`);
  }
  const record = { link_class: 'permission', name: `can_${level}`, tail_uuid: recipient.uuid, head_uuid: uuid };
  const made = await api('arvados/v1/links', { method: 'POST', body: { link: record } });
  if (given.has('json')) return printJson({ ...made, people });
  note(`${recipient.name} can ${String(made.name).slice('can_'.length)} it: ${seen}.`);
  print(String(made.uuid));
}

async function link(api: Api, uuid: string, given: Given): Promise<void> {
  if (!uuid.includes('-4zz18-'))
    throw usageError('A link opens a collection. Share a project with people: --with WHO.');
  const expires_at = expiryIn(given.text('expires'), Date.now());
  if (given.has('dry-run')) {
    await api(`arvados/v1/collections/${uuid}`, { query: { select: ['uuid'] } });
    return given.has('json')
      ? printJson({ uuid, with: null, can: 'read', people: null })
      : print('Who has the address could read it, without an account. Nothing was changed.');
  }
  const record = { collection_uuid: uuid, name: given.text('name') ?? '', expires_at };
  const made = await api('arvados/v1/sharing_links', { method: 'POST', body: { sharing_link: record } });
  if (given.has('json')) return printJson(made);
  note(
    `${expires_at === null ? 'It does not expire.' : `It expires at ${expires_at}.`} The address is not shown again.`,
  );
  print(String(made.href));
}

async function list(api: Api, uuid: string, given: Given): Promise<void> {
  // Who may only read sees the links that they made, and no permissions.
  const permissions = await api(`arvados/v1/permissions/${uuid}`, { query: { limit: 1000 } }).catch(forbiddenIsEmpty);
  const filters = [['collection_uuid', '=', uuid]];
  const links = await api('arvados/v1/sharing_links', { query: { filters, limit: 1000 } });
  for (const row of [...itemsOf(permissions), ...itemsOf(links)]) {
    if (given.has('json')) printJson(row);
    else printRow(isPermission(row) ? describePermission(row) : describeLink(row));
  }
}

function forbiddenIsEmpty(error: unknown): Row {
  if (error instanceof ApiError && (error.status === 403 || error.status === 404)) return {};
  throw error;
}

const itemsOf = (page: Row) => (page.items ?? []) as Row[];
const describePermission = ({ uuid, name, tail_uuid }: Row) => [uuid, name, tail_uuid];
const describeLink = ({ uuid, name, owner_uuid, expires_at, last_used_at }: Row) => [
  uuid,
  'link',
  owner_uuid,
  name || '-',
  expires_at === null ? 'does not expire' : `expires ${expires_at}`,
  last_used_at === null ? 'not used' : `last used ${last_used_at}`,
];

async function revoke(api: Api, uuid: string, what: string): Promise<void> {
  if (/-gj3su-/.test(what)) {
    await api(`arvados/v1/sharing_links/${encodeURIComponent(what)}`, { method: 'DELETE' });
    return note('The link is revoked.');
  }
  const tail = /-o0j2j-/.test(what) ? null : (await recipientOf(api, what)).uuid;
  const found = itemsOf(await api(`arvados/v1/permissions/${uuid}`, { query: { limit: 1000 } })).filter((row) =>
    tail === null ? row.uuid === what : row.tail_uuid === tail,
  );
  if (found.length === 0) throw new CliError(`There is no such permission: see keep-edge share ${uuid} --list`);
  for (const row of found) await api(`arvados/v1/links/${row.uuid}`, { method: 'DELETE' });
  note('The permission is revoked. Other permissions may still let them in: see --list.');
}
