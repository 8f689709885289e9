import { request } from './keep.ts';
import type { TestService } from './service.ts';

// biome-ignore lint/suspicious/noExplicitAny: records of all kinds, looked into by tests
export type Json = any;

export interface ApiAnswer {
  status: number;
  json: Json;
  headers: Headers;
}

export interface ApiOptions {
  method?: string;
  token?: string | null;
  /** Sent as JSON. */
  body?: unknown;
  /** Arrays and objects go as JSON text. */
  query?: Record<string, unknown>;
  headers?: Record<string, string>;
}

/** One request to the Arvados API below /arvados/v1, as root unless told otherwise. */
export async function api(service: TestService, path: string, options: ApiOptions = {}): Promise<ApiAnswer> {
  const {
    method = options.body === undefined ? 'GET' : 'POST',
    token = service.rootToken,
    body,
    query = {},
    headers = {},
  } = options;
  const search = new URLSearchParams(
    Object.entries(query).map(([name, value]) => [name, typeof value === 'string' ? value : JSON.stringify(value)]),
  );
  const answer = await request(`${service.url}/arvados/v1/${path}?${search}`, {
    method,
    token,
    headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  return { status: answer.status, json: answer.text === '' ? null : JSON.parse(answer.text), headers: answer.headers };
}

export interface TestUser {
  uuid: string;
  /** A complete v2 token that may do everything. */
  token: string;
}

export async function createUser(service: TestService, username: string, attributes: Json = {}): Promise<TestUser> {
  const user = await api(service, 'users', { body: { user: { username, first_name: username, ...attributes } } });
  if (user.status !== 200) throw new Error(JSON.stringify(user.json));
  return { uuid: user.json.uuid, token: await createToken(service, user.json.uuid) };
}

export async function createToken(service: TestService, owner: string, attributes: Json = {}): Promise<string> {
  const made = await api(service, 'api_client_authorizations', {
    body: { api_client_authorization: { owner_uuid: owner, ...attributes } },
  });
  if (made.status !== 200) throw new Error(JSON.stringify(made.json));
  return `v2/${made.json.uuid}/${made.json.api_token}`;
}
