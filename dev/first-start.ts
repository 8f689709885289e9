import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

export interface FirstStart {
  /** The admin's token when it was made just now, else null. */
  token: string | null;
  /** Where it is kept (mode 600) for later starts. */
  file: string;
}

/**
 * Makes an admin user and a token on a service that has no users yet. Only its hash is in the database, so the token
 * itself is kept in a file of the state directory, readable by its user only.
 * @param call sends a request to the service as root and gives its JSON
 */
export async function createFirstAdmin(
  state: string,
  call: (path: string, body?: unknown) => Promise<unknown>,
): Promise<FirstStart> {
  const file = join(state, 'admin-token');
  if (existsSync(file)) return { token: null, file };
  // Built-in accounts, such as the one for the public, have no user name.
  const people = encodeURIComponent(JSON.stringify([['username', '!=', null]]));
  const { items_available } = (await call(`users?limit=0&filters=${people}`)) as { items_available: number };
  if (items_available > 0) return { token: null, file };
  const user = (await call('users', {
    user: { username: 'admin', first_name: 'Admin', email: 'admin@example.org', is_admin: true },
  })) as { uuid: string };
  const made = (await call('api_client_authorizations', { api_client_authorization: { owner_uuid: user.uuid } })) as {
    uuid: string;
    api_token: string;
  };
  const token = `v2/${made.uuid}/${made.api_token}`;
  await writeFile(file, `${token}\n`, { mode: 0o600 });
  return { token, file };
}

/** All that the token in a sign-in link may do: be changed for a session, once. */
const ENTER_SCOPE = 'POST /workspace/enter';
const LINK_MS = 3600_000;

/**
 * A link that signs a browser in once, within an hour, as whose token is in the file; null where it is not accepted.
 * The link's own token may do nothing else.
 */
export async function signInLink(url: string, file: string): Promise<string | null> {
  const token = (await readFile(file, 'utf8').catch(() => '')).trim();
  if (token === '') return null;
  const expires_at = new Date(Date.now() + LINK_MS).toISOString();
  const answer = await request(`${url}/arvados/v1/api_client_authorizations`, token, {
    api_client_authorization: { scopes: [ENTER_SCOPE], expires_at },
  });
  if (answer === null) return null;
  return `${url}/workspace/enter?code=${encodeURIComponent(`v2/${answer.uuid}/${answer.api_token}`)}`;
}

/** Also of a service with a self-signed certificate. */
async function request(url: string, token: string, record: unknown): Promise<Record<string, string> | null> {
  const { request: send } = await (url.startsWith('https:') ? import('node:https') : import('node:http'));
  const body = JSON.stringify(record);
  const headers = {
    Authorization: `Bearer ${token}`,
    'Content-Type': 'application/json',
    'Content-Length': String(Buffer.byteLength(body)),
  };
  return new Promise((resolve) => {
    const sent = send(url, { method: 'POST', headers, rejectUnauthorized: false }, async (answer) => {
      const chunks: Buffer[] = [];
      for await (const chunk of answer) chunks.push(chunk as Buffer);
      resolve(answer.statusCode === 200 ? JSON.parse(Buffer.concat(chunks).toString()) : null);
    });
    sent.on('error', () => resolve(null));
    sent.end(body);
  });
}
