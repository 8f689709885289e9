import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
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
