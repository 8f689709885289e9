import * as v from 'valibot';
import { TOKENS, type TokenAttributes } from '../../accounts/tokens.ts';
import { UPLOADS } from '../../accounts/upload-log.ts';
import { createUploader } from '../../accounts/uploaders.ts';
import { requireAdmin, USERS, type UserAttributes } from '../../accounts/users.ts';
import { KeepError } from '../../keep/errors.ts';
import type { Row } from '../../records/columns.ts';
import { isBuiltIn } from '../../records/ids.ts';
import { storedObject } from '../../records/json-object.ts';
import { listRecords } from '../../records/list-query.ts';
import { formatTime } from '../../records/times.ts';
import { answer, listOf } from './answer.ts';
import { type ApiCall, type EmbeddedApi, pathPart, readBody } from './call.ts';
import { parseRecord, present } from './record-body.ts';

const MAX_PREFS_BYTES = 65_536;
const MAX_SCOPES = 100;
const MAX_SCOPE_LENGTH = 1000;

const Text = v.pipe(v.string(), v.maxLength(255, 'value too long'));
const UserBody = v.object({
  username: v.optional(
    v.pipe(v.string(), v.regex(/^[a-z][a-z0-9_.-]{0,63}$/i, 'letters, digits, and . _ - after a letter')),
  ),
  email: v.optional(Text),
  first_name: v.optional(Text),
  last_name: v.optional(Text),
  is_admin: v.optional(v.boolean()),
  is_active: v.optional(v.boolean()),
  prefs: v.optional(storedObject(MAX_PREFS_BYTES)),
});
const TokenBody = v.object({
  owner_uuid: v.optional(v.string()),
  scopes: v.optional(
    v.pipe(
      v.array(v.pipe(v.string(), v.maxLength(MAX_SCOPE_LENGTH, 'value too long'))),
      v.maxLength(MAX_SCOPES, `at most ${MAX_SCOPES} scopes`),
    ),
  ),
  expires_at: v.optional(v.nullable(v.string())),
});
const UploaderBody = v.object({ owner_uuid: v.optional(v.string()), name: v.optional(Text, 'Uploader') });

export async function currentUser(call: ApiCall, { users }: EmbeddedApi): Promise<Response> {
  return answer(await users.get(call.user.uuid, call.user));
}

export async function getUser(call: ApiCall, { users }: EmbeddedApi): Promise<Response> {
  return answer(await users.get(pathPart(call), call.user));
}

export async function listUsers(call: ApiCall, { users, near }: EmbeddedApi): Promise<Response> {
  return answer(listOf(USERS.kind, await near.read((db) => users.list(call.parameters, call.user, db))));
}

export async function createUser(call: ApiCall, { users }: EmbeddedApi): Promise<Response> {
  const { record } = await readBody(call);
  return answer(await users.create(present(parseRecord(UserBody, record)) as UserAttributes, call.user));
}

export async function updateUser(call: ApiCall, { users, authority }: EmbeddedApi): Promise<Response> {
  const { record } = await readBody(call);
  const user = await users.update(pathPart(call), present(parseRecord(UserBody, record)) as UserAttributes, call.user);
  authority.forget();
  return answer(user);
}

/** Makes a user active, or not. Admins only. */
async function setActive(call: ApiCall, api: EmbeddedApi, uuid: string, is_active: boolean): Promise<Row> {
  requireAdmin(call.user);
  const user = await api.users.update(uuid, { is_active }, call.user);
  api.authority.forget();
  return user;
}

export async function activateUser(call: ApiCall, api: EmbeddedApi): Promise<Response> {
  await readBody(call);
  return answer(await setActive(call, api, pathPart(call), true));
}

/** POST users/setup with a UUID: the account may be used. */
export async function setupUser(call: ApiCall, api: EmbeddedApi): Promise<Response> {
  const { record } = await readBody(call);
  const uuid = call.path[0] ?? call.parameters.uuid ?? record.uuid;
  if (typeof uuid !== 'string') throw new KeepError('invalid_record', { message: 'uuid: name the user to set up' });
  return answer({ kind: 'arvados#HashList', items: [await setActive(call, api, uuid, true)] });
}

/** Ends what a user may do: the account is inactive and in no role. What the user owns stays. */
export async function unsetupUser(call: ApiCall, api: EmbeddedApi): Promise<Response> {
  await readBody(call);
  const user = await setActive(call, api, pathPart(call), false);
  await api.links.endMemberships(String(user.uuid));
  return answer(user);
}

/** Every valid token may read its own record; the secret is the presented one. */
export async function currentToken(call: ApiCall, { tokens }: EmbeddedApi): Promise<Response> {
  const { account, user, token, parameters } = call;
  const secret = typeof parameters.remote === 'string' ? '' : (token.split('/')[2] ?? token);
  if (account.tokenUuid === null || isBuiltIn(user.uuid)) {
    const time = formatTime(Date.now());
    const uuid = user.uuid.replace('-tpzed-', '-gj3su-');
    return answer({
      kind: TOKENS.kind,
      uuid,
      owner_uuid: user.uuid,
      api_token: secret,
      scopes: account.scopes,
      expires_at: null,
      created_at: time,
      modified_at: time,
      last_used_at: null,
    });
  }
  return answer({ ...(await tokens.get(account.tokenUuid, user)), api_token: secret });
}

export async function getToken(call: ApiCall, { tokens }: EmbeddedApi): Promise<Response> {
  return answer(await tokens.get(pathPart(call), call.user));
}

export async function listTokens(call: ApiCall, { tokens }: EmbeddedApi): Promise<Response> {
  return answer(listOf(TOKENS.kind, await tokens.list(call.parameters, call.user)));
}

export async function createToken(call: ApiCall, { tokens }: EmbeddedApi): Promise<Response> {
  const { record } = await readBody(call);
  return answer(await tokens.create(present(parseRecord(TokenBody, record)) as TokenAttributes, call.account));
}

export async function updateToken(call: ApiCall, { tokens, authority }: EmbeddedApi): Promise<Response> {
  const { record } = await readBody(call);
  const token = await tokens.update(
    pathPart(call),
    present(parseRecord(TokenBody, record)) as TokenAttributes,
    call.account,
  );
  authority.forget();
  return answer(token);
}

export async function deleteToken(call: ApiCall, { tokens, authority }: EmbeddedApi): Promise<Response> {
  const token = await tokens.delete(pathPart(call), call.user);
  authority.forget();
  return answer(token);
}

/** Not in the Arvados API: an account that may only upload (docs/operate.md). Its token is shown this once. */
export async function createUploaderAccount(call: ApiCall, api: EmbeddedApi): Promise<Response> {
  const { owner_uuid, name } = parseRecord(UploaderBody, (await readBody(call)).record);
  const made = { owner: owner_uuid ?? call.user.uuid, name, asking: call.account };
  return answer(await createUploader(api.db, api.users, api.facts.clusterId, Date.now(), made));
}

/** Not in the Arvados API: the upload log, for admins. Rows queued in this isolate are written first. */
export async function listUploads(
  { user, parameters }: Pick<ApiCall, 'user' | 'parameters'>,
  { logsDb, uploads }: Pick<EmbeddedApi, 'logsDb' | 'uploads'>,
): Promise<Response> {
  requireAdmin(user);
  await uploads.flush();
  const { order = ['uploaded_at desc', 'id desc'] } = parameters;
  return answer(listOf(UPLOADS.kind, await listRecords(logsDb, UPLOADS, { ...parameters, order }, { conditions: [] })));
}
