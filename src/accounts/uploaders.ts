import type { Row } from '../records/columns.ts';
import type { Account } from './account.ts';
import { insertToken, owningUser, requireCovered } from './tokens.ts';
import type { UserStore } from './users.ts';

/**
 * Scopes of an uploader's token: writing blocks (`PUT /` does not cover the API, where an update counts as PATCH),
 * creating, reading and updating collections, and what arv-put reads before it starts. Permissions limit it to its own
 * collections.
 */
export const UPLOADER_SCOPES = [
  'PUT /',
  'GET /arvados/v1/users/current',
  'GET /arvados/v1/keep_services/accessible',
  'POST /arvados/v1/collections',
  'GET /arvados/v1/collections/',
  'PATCH /arvados/v1/collections/',
];

/**
 * Makes an uploader account with its one token.
 * @returns the user's record with `api_token`, a complete v2 token
 * @throws KeepError forbidden for a token whose own scopes do not cover an uploader's
 */
export async function createUploader(
  db: D1Database,
  users: UserStore,
  clusterId: string,
  now: number,
  { owner, name, asking }: { owner: string; name: string; asking: Account },
): Promise<Row> {
  const by = owningUser(asking);
  requireCovered(UPLOADER_SCOPES, asking.scopes);
  const user = await users.createUploader(owner, name, by);
  const token = await insertToken(db, clusterId, now, {
    owner: String(user.uuid),
    scopes: UPLOADER_SCOPES,
    expiresAt: null,
    by: by.uuid,
  });
  return { ...user, api_token: `v2/${token.uuid}/${token.api_token}` };
}
