import { LINKS } from '../../accounts/links.ts';
import { SHARING_LINKS } from '../../accounts/sharing-links.ts';
import { TOKENS } from '../../accounts/tokens.ts';
import { USERS } from '../../accounts/users.ts';
import { COLLECTIONS, GROUPS, LOGS } from '../../collections/tables.ts';
import { KeepError } from '../../keep/errors.ts';
import type { Table } from '../../records/columns.ts';
import type { Body } from './request-body.ts';

/** What clients send back of any record that they read. */
const OF_EVERY_RECORD = [
  'kind',
  'etag',
  'href',
  'self_link',
  'modified_by_client_uuid',
  'writable_by',
  'can_write',
  'can_manage',
];

/**
 * The attributes of the Arvados API by the record's name in a body. Those that a client cannot set are ignored, as
 * there; any other name is a mistake.
 */
const ATTRIBUTES: Readonly<Record<string, ReadonlySet<string>>> = {
  collection: of(COLLECTIONS),
  group: of(GROUPS),
  user: of(USERS, 'identity_url', 'default_owner_uuid', 'redirect_to_user_uuid'),
  api_client_authorization: of(
    TOKENS,
    'api_token',
    'api_client_id',
    'user_id',
    'default_owner_uuid',
    'created_by_ip_address',
    'last_used_at',
    'last_used_by_ip_address',
    'refreshes_at',
  ),
  link: of(LINKS, 'head_kind', 'tail_kind'),
  log: of(LOGS, 'object_kind'),
  sharing_link: of(SHARING_LINKS),
  transfer: new Set(['to']),
  uploader_account: new Set(['owner_uuid', 'name']),
  keep_service: new Set([
    ...OF_EVERY_RECORD,
    'uuid',
    'owner_uuid',
    'created_at',
    'modified_at',
    'modified_by_user_uuid',
    'service_host',
    'service_port',
    'service_ssl_flag',
    'service_type',
    'read_only',
  ]),
};

/** Parameters that may stand beside a record, or among its attributes where it is not wrapped. */
const PARAMETERS = new Set([
  '_method',
  'alt',
  'api_token',
  'oauth_token',
  'reader_tokens',
  'uuid',
  'select',
  'ensure_unique_name',
  'replace_files',
  'replace_segments',
  'must_be_new',
  'unchanged_from',
  'include_trash',
  'include_old_versions',
  'bypass_federation',
  'cluster_id',
  'async',
  'remote',
  // users/setup
  'send_notification_email',
  'vm_uuid',
  'repo_name',
  'openid_prefix',
]);

/**
 * Refuses what would be ignored otherwise: a misspelt attribute, or one beside its record.
 * @param name of the record in a body
 * @throws KeepError invalid_record that names the first attribute that no such record has
 */
export function requireKnownAttributes(name: string, { record, parameters, isWrapped }: Body): void {
  const known = Object.hasOwn(ATTRIBUTES, name) ? ATTRIBUTES[name] : undefined;
  if (known === undefined) return;
  const attribute = Object.keys(record).find((key) => !known.has(key) && (isWrapped || !PARAMETERS.has(key)));
  if (attribute !== undefined) throw invalid(`${printable(attribute)} is not an attribute of ${name}`);
  const parameter = isWrapped ? Object.keys(parameters).find((key) => !PARAMETERS.has(key)) : undefined;
  if (parameter !== undefined)
    throw invalid(`${printable(parameter)} is not a parameter: attributes belong into ${printable(name)}`);
}

function of(table: Table, ...more: string[]): ReadonlySet<string> {
  return new Set([...OF_EVERY_RECORD, ...Object.keys(table.columns), ...more]);
}

const PRINTABLE_LENGTH = 60;
const printable = (name: string) => JSON.stringify(name.slice(0, PRINTABLE_LENGTH));
const invalid = (message: string) => new KeepError('invalid_record', { message });
