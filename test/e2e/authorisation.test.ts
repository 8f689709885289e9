import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ROOT } from '../../dev/serve.ts';
import { api, createUser, type Json } from '../support/api.ts';
import { stored } from '../support/collections.ts';
import { blockOf, request, sign } from '../support/keep.ts';
import { type KeyPair, s3Keys, s3Request } from '../support/s3-client.ts';
import { ROOT_TOKEN, startService, type TestService } from '../support/service.ts';

/** Every method of every path about a shared collection, for every credential: what each level opens, and nothing else. */
const SECRET = 'what-only-readers-see';
const block = blockOf(SECRET);
const PUBLIC = 'xedge-j7d0g-anonymouspublic';
const API_SOURCE = readFileSync(join(ROOT, 'src/surfaces/arvados/api.ts'), 'utf8');
let service: TestService;
beforeAll(async () => {
  service = await startService({ vars: { TOKEN_CACHE_TTL: '0s', WEBDAV_CACHE_TTL: '0s' } });
  await stored(service, block);
});
afterAll(() => service.stop());

/** In the order of what they may do. */
const LEVELS = ['nothing', 'link', 'read', 'write', 'manage'] as const;
type Level = (typeof LEVELS)[number];

const SET =
  '<d:propertyupdate xmlns:d="DAV:"><d:set><d:prop><z xmlns="urn:z">1</z></d:prop></d:set></d:propertyupdate>';
const LOCKINFO =
  '<d:lockinfo xmlns:d="DAV:"><d:lockscope><d:exclusive/></d:lockscope><d:locktype><d:write/></d:locktype></d:lockinfo>';

/** The least level that a request needs; who has less learns nothing. */
const REQUESTS: [needed: Level, method: string, path: string, body?: Json][] = [
  ['link', 'GET', 'arvados/v1/collections/C'],
  ['link', 'HEAD', 'arvados/v1/collections/C'],
  ['link', 'GET', 'c=C/file.txt'],
  ['link', 'HEAD', 'c=C/file.txt'],
  ['link', 'GET', 'c=C/'],
  ['link', 'PROPFIND', 'c=C/'],
  ['link', 'GET', 'c=C/?accept=application/zip'],
  ['link', 'GET', 'by_id/C/file.txt'],
  ['read', 'GET', 'arvados/v1/groups/P'],
  ['read', 'GET', 'arvados/v1/groups/P/contents'],
  ['read', 'GET', 'arvados/v1/groups/contents?uuid=P&recursive=true'],
  ['read', 'GET', 'by_id/P/'],
  ['read', 'GET', 'arvados/v1/groups/contents?uuid=P&include_old_versions=true&include_trash=true'],
  ['read', 'GET', 'arvados/v1/collections/D'],
  ['read', 'GET', 'c=H/file.txt'],
  ['read', 'GET', 'arvados/v1/collections/V'],
  ['read', 'GET', 'c=V/file.txt'],
  ['read', 'PROPFIND', 'c=V/'],
  ['read', 'GET', 'ga4gh/drs/v1/objects/H'],
  ['read', 'GET', 'ga4gh/drs/v1/objects/H.file.txt'],
  ['read', 'GET', 'ga4gh/drs/v1/objects/H.file.txt/access/https'],
  ['read', 'POST', 'ga4gh/drs/v1/objects/H.file.txt/access/https', {}],
  ['link', 'GET', 'ga4gh/htsget/v1/reads/C/reads.bam'],
  ['link', 'POST', 'ga4gh/htsget/v1/reads/C/reads', {}],
  ['read', 'POST', 'arvados/v1/sharing_links', { sharing_link: { collection_uuid: 'C' } }],
  ['write', 'PUT', 'arvados/v1/collections/C', { collection: { description: SECRET } }],
  ['write', 'PATCH', 'arvados/v1/collections/C', { collection: { description: SECRET } }],
  ['write', 'POST', 'arvados/v1/collections', { collection: { owner_uuid: 'P', name: 'N' } }],
  ['write', 'POST', 'arvados/v1/groups', { group: { group_class: 'project', owner_uuid: 'P', name: 'N' } }],
  ['write', 'PUT', 'arvados/v1/groups/P', { group: { description: 'x' } }],
  ['write', 'PUT', 'c=C/new.txt', { new: 'file' }],
  ['write', 'MKCOL', 'c=C/directory'],
  ['write', 'COPY', 'c=C/file.txt', '/c=C/copied.txt'],
  ['write', 'MOVE', 'c=C/copied.txt', '/c=C/moved.txt'],
  ['write', 'PROPPATCH', 'c=C/moved.txt', SET],
  ['write', 'LOCK', 'c=C/moved.txt', LOCKINFO],
  ['write', 'UNLOCK', 'c=C/moved.txt'],
  ['write', 'DELETE', 'c=C/new.txt'],
  ['write', 'PATCH', 'arvados/v1/collections/C', { replace_files: { '/api.txt': 'current/file.txt' } }],
  ['write', 'PATCH', 'arvados/v1/collections/C', { replace_segments: { 'G 0 1': 'G 0 1' } }],
  ['write', 'POST', 'arvados/v1/collections/V/restore_version', {}],
  ['write', 'POST', 'arvados/v1/collections/C/restore_version', {}],
  ['write', 'DELETE', 'arvados/v1/collections/C'],
  ['write', 'POST', 'arvados/v1/collections/C/untrash', {}],
  ['write', 'POST', 'arvados/v1/collections/C/trash', {}],
  ['write', 'POST', 'arvados/v1/collections/C/untrash', {}],
  ['write', 'POST', 'arvados/v1/groups/P/trash', {}],
  ['write', 'POST', 'arvados/v1/groups/P/untrash', {}],
  ['write', 'DELETE', 'arvados/v1/groups/P'],
  ['write', 'POST', 'arvados/v1/groups/P/untrash', {}],
  ['manage', 'GET', 'arvados/v1/permissions/C'],
  ['manage', 'GET', 'arvados/v1/permissions/P'],
  ['manage', 'GET', 'arvados/v1/links/L'],
  [
    'manage',
    'POST',
    'arvados/v1/links',
    { link: { link_class: 'permission', name: 'can_read', tail_uuid: 'E', head_uuid: 'C' } },
  ],
  ['manage', 'PUT', 'arvados/v1/links/L', { link: { name: 'can_read' } }],
  ['manage', 'GET', 'arvados/v1/sharing_links/S'],
  ['manage', 'DELETE', 'arvados/v1/sharing_links/S'],
  ['manage', 'DELETE', 'arvados/v1/links/L'],
];
const LISTS = [
  'collections',
  'groups',
  'groups/contents',
  'groups/shared',
  'links',
  'logs',
  'sharing_links',
  'search',
  'users',
  'api_client_authorizations',
];
/** What the owner of O and of the token T, and admins, may do with these. */
const OF_THE_OWNER: [method: string, path: string, body?: Json][] = [
  ['PATCH', 'arvados/v1/users/O', { user: { first_name: 'x' } }],
  ['GET', 'arvados/v1/api_client_authorizations/T'],
  ['PATCH', 'arvados/v1/api_client_authorizations/T', { api_client_authorization: { expires_at: null } }],
  ['POST', 'arvados/v1/api_client_authorizations', { api_client_authorization: { owner_uuid: 'O' } }],
  ['POST', 'arvados/v1/uploader_accounts', { uploader_account: { owner_uuid: 'O' } }],
  ['DELETE', 'arvados/v1/api_client_authorizations/T'],
];
const OF_ADMINS: [method: string, path: string, body?: Json][] = [
  ['POST', 'arvados/v1/users', { user: { username: 'N' } }],
  ['POST', 'arvados/v1/users/setup', { uuid: 'O' }],
  ['POST', 'arvados/v1/users/O/activate', {}],
  ['POST', 'arvados/v1/users/O/setup', {}],
  ['POST', 'arvados/v1/users/O/transfer', { to: 'E' }],
  ['POST', 'arvados/v1/users/O/unsetup', {}],
  ['GET', 'arvados/v1/upload_log'],
  ['POST', 'arvados/v1/keep_services', { keep_service: { service_host: 'x', service_port: 1 } }],
  ['PATCH', 'arvados/v1/keep_services/xedge-bi6l4-000000000000000', { keep_service: { service_port: 2 } }],
  ['DELETE', 'arvados/v1/keep_services/xedge-bi6l4-000000000000000'],
  ['GET', 'keep-edge/v1/search'],
  ['POST', 'keep-edge/v1/search/rebuild', {}],
  ['GET', 'keep-edge/v1/usage'],
  ['GET', 'keep-edge/v1/deployment'],
  ['POST', 'keep-edge/v1/deployment', {}],
  ['GET', 'keep-edge/v1/balance'],
  ['PUT', 'keep-edge/v1/quotas/O', { bytes: 1 }],
  ['DELETE', 'keep-edge/v1/collections/C'],
];
/** What every active account may ask about itself, and what all accounts see. */
const OF_ANY_ACCOUNT: [method: string, path: string, body?: Json][] = [
  ['GET', 'arvados/v1/users/current'],
  ['GET', 'arvados/v1/workflows'],
  ['GET', 'arvados/v1/users/E'],
  ['GET', 'arvados/v1/api_client_authorizations/current'],
  ['GET', 'arvados/v1/keep_services'],
  ['GET', 'arvados/v1/keep_services/xedge-bi6l4-000000000000000'],
  ['GET', 'arvados/v1/audience/E'],
  ['POST', 'arvados/v1/logs', { log: { event_type: 'x' } }],
  ['POST', 'arvados/v1/groups', { group: { group_class: 'role', name: 'N' } }],
];
const NO_ACCOUNT = new Set(['no token', 'a token that is no token', 'a deactivated manager', 'a sharing link']);

/** A project with a collection, and someone who has a level on the project. */
async function shared(): Promise<Record<string, string>> {
  const owner = await createUser(service, `owner${serial++}`);
  const eve = await createUser(service, `eve${serial++}`);
  const make = async (path: string, body: Json) => {
    const made = await api(service, path, { token: owner.token, body });
    if (made.status !== 200) throw new Error(JSON.stringify(made.json));
    return made.json;
  };
  const project = await make('groups', { group: { group_class: 'project', name: SECRET } });
  const manifest = `. ${block.locator} 0:${block.data.length}:file.txt 0:${block.data.length}:reads.bam 0:0:only${serial++}\n`;
  const record = { name: SECRET, owner_uuid: project.uuid, manifest_text: manifest, preserve_version: true };
  const collection = (await api(service, 'collections', { body: { collection: record } })).json;
  await api(service, `collections/${collection.uuid}`, {
    method: 'PATCH',
    body: { collection: { description: 'new' } },
  });
  const V = (await api(service, 'collections', { query: versionsOf(collection.uuid) })).json.items[0].uuid;
  const link = await make('links', {
    link: { link_class: 'permission', name: 'can_read', tail_uuid: eve.uuid, head_uuid: collection.uuid },
  });
  const sharing = await make('sharing_links', { sharing_link: { collection_uuid: collection.uuid, name: SECRET } });
  const H = collection.portable_data_hash.replace('+', '-');
  const D = encodeURIComponent(collection.portable_data_hash);
  const secret = /t=([^/]+)/.exec(sharing.href)?.[1] ?? '';
  return {
    C: collection.uuid,
    V,
    P: project.uuid,
    H,
    D,
    L: link.uuid,
    S: sharing.uuid,
    E: eve.uuid,
    O: owner.uuid,
    T: owner.token.split('/')[1] ?? '',
    owner: owner.token,
    link: secret,
  };
}
let serial = 0;

/** Past versions alone. */
function versionsOf(uuid: string): Json {
  const filters = [
    ['current_version_uuid', '=', uuid],
    ['uuid', '!=', uuid],
  ];
  return { include_old_versions: true, filters };
}

const CREDENTIALS: { name: string; has: Level; make: (at: Record<string, string>) => Promise<string | null> }[] = [
  { name: 'no token', has: 'nothing', make: async () => null },
  { name: 'a token that is no token', has: 'nothing', make: async () => 'nonsense'.repeat(8) },
  { name: 'the anonymous token', has: 'nothing', make: anonymous },
  { name: 'a stranger', has: 'nothing', make: async () => (await createUser(service, `u${serial++}`)).token },
  { name: 'a deactivated manager', has: 'nothing', make: (at) => member(at, 'can_manage', { is_active: false }) },
  { name: 'a sharing link', has: 'link', make: async ({ link }) => link ?? '' },
  { name: 'a reader', has: 'read', make: (at) => member(at, 'can_read') },
  { name: 'a reader through a role', has: 'read', make: throughRole },
  { name: 'the public, once it is shared with', has: 'link', make: asPublic },
  { name: 'a writer', has: 'write', make: (at) => member(at, 'can_write') },
  { name: 'a manager', has: 'manage', make: (at) => member(at, 'can_manage') },
  { name: 'the owner', has: 'manage', make: async ({ owner }) => owner ?? '' },
  { name: 'the root token', has: 'manage', make: async () => ROOT_TOKEN },
];

async function anonymous(): Promise<string> {
  return (await api(service, 'config', { token: null })).json.Users.AnonymousUserToken;
}
async function link(token: string, tail: string, head: string, name: string): Promise<void> {
  const made = await api(service, 'links', {
    token,
    body: { link: { link_class: 'permission', name, tail_uuid: tail, head_uuid: head } },
  });
  if (made.status !== 200) throw new Error(JSON.stringify(made.json));
}
async function member(at: Record<string, string>, name: string, attributes: Json = null): Promise<string> {
  const user = await createUser(service, `u${serial++}`);
  await link(at.owner ?? '', user.uuid, at.P ?? '', name);
  if (attributes !== null) await api(service, `users/${user.uuid}`, { method: 'PUT', body: { user: attributes } });
  return user.token;
}
async function throughRole({ owner = '', P = '' }: Record<string, string>): Promise<string> {
  const user = await createUser(service, `u${serial++}`);
  const role = await api(service, 'groups', {
    token: owner,
    body: { group: { group_class: 'role', name: `r${serial++}` } },
  });
  await link(owner, user.uuid, role.json.uuid, 'can_manage');
  await link(owner, role.json.uuid, P, 'can_read');
  return user.token;
}
async function asPublic({ owner = '', C = '' }: Record<string, string>): Promise<string> {
  await link(owner, PUBLIC, C, 'can_read');
  return anonymous();
}

/** COPY and MOVE have their destination where others have a body, UNLOCK the lock that was taken last. */
function ask(token: string | null, method: string, path: string, text?: string, lock = '<opaquelocktoken:none>') {
  const isTransfer = method === 'COPY' || method === 'MOVE';
  const body = isTransfer || text === undefined ? {} : { body: text };
  return request(`${service.url}/${path}`, {
    method,
    token,
    headers: {
      ...(method === 'PROPFIND' ? { depth: '1' } : {}),
      ...(method === 'UNLOCK' ? { 'lock-token': lock } : {}),
      ...(isTransfer ? { destination: text ?? '' } : {}),
      ...('body' in body ? { 'content-type': text?.startsWith('<') ? 'application/xml' : 'application/json' } : {}),
    },
    ...body,
  });
}

test.each(CREDENTIALS)('$name gets what its level opens, and nothing else', async ({ name, has, make }) => {
  const at = await shared();
  const token = await make(at);
  at.G = sign(block.locator, { token: token ?? 'none' });
  const fill = (text: string) =>
    text.replace(/\b[CPHDLSEOTVG]\b/g, (letter) => at[letter] ?? letter).replace('"N"', `"made ${serial++}"`);
  let lock: string | undefined;
  const isLink = name === 'a sharing link';
  const isPublic = name.startsWith('the public');
  for (const [needed, method, path, body] of REQUESTS) {
    // A link names its collection by UUID; the public has it by its hash, too.
    // It belongs to no account, and a link reads as its maker.
    if (token === ROOT_TOKEN && method === 'POST' && path.endsWith('sharing_links')) continue;
    // So it has past versions.
    const byHash = isPublic && needed === 'read' && /\b[HDV]\b/.test(path);
    const expected = byHash || LEVELS.indexOf(has) >= LEVELS.indexOf(needed);
    const sent = typeof body === 'string' ? body : JSON.stringify(body);
    const answer = await ask(token, method, fill(path), sent === undefined ? undefined : fill(sent), lock);
    lock = answer.headers.get('lock-token') ?? lock;
    const what = `${method} ${path} ${JSON.stringify(body ?? '')}: ${answer.status} ${answer.text.slice(0, 200)}`;
    // It is the current version: who may restore is told so.
    if (expected && path.endsWith('C/restore_version')) expect([422], what).toContain(answer.status);
    else if (expected) expect([200, 201, 204, 207], what).toContain(answer.status);
    else {
      expect([401, 403, 404, 422], what).toContain(answer.status);
      expect(answer.text, what).not.toContain(SECRET);
    }
  }
  for (const list of LISTS) {
    const answer = await api(service, list, {
      token,
      query: { include_trash: true, include_old_versions: true, q: SECRET },
    });
    if (list === 'search' && LEVELS.indexOf(has) >= LEVELS.indexOf('read'))
      expect(JSON.stringify(answer.json), list).toContain(SECRET);
    if (has === 'nothing' || isLink) expect(JSON.stringify(answer.json), list).not.toContain(SECRET);
    if (token === null || isLink) expect([401, 403], list).toContain(answer.status);
  }
  const versions = await api(service, 'collections', { token, query: versionsOf(at.C ?? '') });
  const mayRead = isPublic || LEVELS.indexOf(has) >= LEVELS.indexOf('read');
  expect(JSON.stringify(versions.json).includes(at.V ?? ''), 'past versions').toBe(mayRead);
});

test.each(CREDENTIALS)(
  '$name does nothing with the account of another, and nothing that admins do',
  async ({ name, make }) => {
    const at = await shared();
    const token = await make(at);
    const fill = (text: string) => text.replace(/\b[CEOT]\b/g, (letter) => at[letter] ?? letter);
    const bodyOf = (body: Json) =>
      body === undefined ? undefined : fill(JSON.stringify(body).replace('"N"', `"made${serial++}"`));
    const isOwner = name === 'the owner';
    const isRoot = token === ROOT_TOKEN;
    const judge = async (may: boolean, [method, path, body]: (typeof OF_ADMINS)[number]) => {
      const answer = await ask(token, method, fill(path), bodyOf(body));
      const what = `${method} ${path}: ${answer.status} ${answer.text.slice(0, 200)}`;
      if (may)
        expect(answer.status, what).not.toSatisfy((status: number) => [401, 403].includes(status) || status >= 500);
      else expect([401, 403, 404], what).toContain(answer.status);
    };
    // Every good token may read its own record, as in the original.
    const refused = OF_ANY_ACCOUNT.filter(
      ([, path]) => name !== 'a sharing link' || !path.endsWith('authorizations/current'),
    );
    if (NO_ACCOUNT.has(name)) for (const asked of refused) await judge(false, asked);
    if (isOwner || isRoot) for (const asked of OF_ANY_ACCOUNT) await judge(true, asked);
    for (const asked of OF_ADMINS) await judge(isRoot, asked);
    for (const asked of OF_THE_OWNER) await judge(isOwner || isRoot, asked);
  },
);

test('every route of the API is in one of these tables', () => {
  const routes = [...API_SOURCE.matchAll(/^ {2}\['([A-Z ]+)', '([a-z_/*]+)', '[a-z_]+', \w+\],$/gm)];
  expect(routes.length).toBeGreaterThan(50);
  const tables = [...REQUESTS.map(([, ...asked]) => asked), ...OF_THE_OWNER, ...OF_ADMINS, ...OF_ANY_ACCOUNT];
  const asked = tables.map(([method, path]) => `${method === 'PUT' ? 'PATCH' : method} ${path.replace(/\?.*/, '')}`);
  const missing = routes.filter(([, method = '', path = '']) => {
    if (method === 'GET' && LISTS.includes(path)) return false;
    const pattern = new RegExp(`^${method} arvados/v1/${path.replace('*', '[^/]+')}$`);
    return !asked.some((request) => pattern.test(request));
  });
  expect(missing.map(([, method, path]) => `${method} ${path}`)).toEqual([]);
});

/** The same through S3, where a credential is a key pair; what has none, or no UUID, is shown as it is known there. */
const S3_REQUESTS: [needed: Level, method: string, path: string, body?: string][] = [
  ['link', 'HEAD', 'C'],
  ['link', 'GET', 'C?location'],
  ['link', 'GET', 'C?list-type=2'],
  ['link', 'GET', 'C?versions'],
  ['link', 'GET', 'C/file.txt'],
  ['link', 'HEAD', 'C/file.txt'],
  ['link', 'GET', 'C/file.txt?attributes'],
  ['read', 'GET', 'K/file.txt'],
  ['read', 'GET', 'K?list-type=2'],
  ['read', 'HEAD', 'P'],
  ['read', 'GET', 'P?list-type=2'],
  ['read', 'GET', `P/${SECRET}/file.txt`],
  ['write', 'PUT', 'C'],
  ['write', 'PUT', 'C/new.txt', 'new'],
  ['write', 'PUT', `P/${SECRET}/new-too.txt`, 'new'],
  ['write', 'POST', 'C/parts.txt?uploads'],
  ['write', 'DELETE', 'C/new.txt'],
];

test.each(CREDENTIALS)('through S3 $name gets what its level opens, and nothing else', async ({ name, has, make }) => {
  const at = await shared();
  const token = await make(at);
  const K = decodeURIComponent(at.D ?? '').replace('+', '%2B');
  const fill = (text: string) => text.replace(/\b[CPK]\b/g, (letter) => ({ ...at, K })[letter] ?? letter);
  const keys = await keysOf(token, name);
  for (const [needed, method, path, body] of S3_REQUESTS) {
    const byHash = name.startsWith('the public') && /\bK\b/.test(path) && keys === null;
    // Without a signature a portable data hash as a bucket is a block of keepstore's.
    if (byHash || (keys === null && path.startsWith('K'))) continue;
    const expected = LEVELS.indexOf(has) >= LEVELS.indexOf(needed);
    const answer = await s3Request(service, `/${fill(path)}`, {
      method,
      keys,
      ...(path.endsWith('attributes') ? { headers: { 'x-amz-object-attributes': 'ETag' } } : {}),
      ...(body === undefined ? {} : { body }),
    });
    const what = `${method} ${path}: ${answer.status} ${answer.text.slice(0, 200)}`;
    if (expected) expect([200, 204], what).toContain(answer.status);
    else {
      expect([403, 404], what).toContain(answer.status);
      expect(answer.text.replace(/<Resource>.*?<\/Resource>/, ''), what).not.toContain(SECRET);
    }
  }
});

/** Null: the request is not signed. The root token signs as itself. */
async function keysOf(token: string | null, name: string): Promise<KeyPair | null> {
  if (token === null || name.includes('anonymous') || name.startsWith('the public')) return null;
  if (name.includes('no token') || token === ROOT_TOKEN) return { accessKeyId: token, secretAccessKey: token };
  if (name.includes('deactivated')) {
    const text = token.replaceAll('/', '_');
    return { accessKeyId: text, secretAccessKey: text };
  }
  if (name === 'a sharing link' && !token.startsWith('v2/')) return { accessKeyId: token, secretAccessKey: token };
  return s3Keys(service, token);
}
