import { expiryOf } from '../records/times.ts';
import { askClusterApi, clusterApiFailed, clusterRecord } from '../services/cluster-api.ts';
import type { Account, Authority, User } from './account.ts';

/** The fields that are read of the API server's answers; the others are ignored. */
interface TokenRecord {
  uuid?: string;
  scopes?: string[];
  expires_at?: string | null;
}
interface UserRecord {
  uuid?: string;
  is_admin?: boolean;
  is_active?: boolean;
  username?: string;
  full_name?: string;
}

const TIMEOUT_MS = 20_000;

/**
 * The authority beside a cluster: its API server. `api_client_authorizations/current` answers every valid token;
 * `users/current` may refuse a sharing token, whose user is then unknown here.
 * @param apiUrl origin of the cluster's API, without a trailing slash
 */
export function createClusterAuthority(apiUrl: string): Authority {
  return {
    async identify(token, signal) {
      const [tokenAnswer, userAnswer] = await Promise.all([
        ask<TokenRecord>(`${apiUrl}/arvados/v1/api_client_authorizations/current`, token, signal),
        ask<UserRecord>(`${apiUrl}/arvados/v1/users/current`, token, signal),
      ]);
      if (tokenAnswer === null) return null;
      const account: Account = {
        user: userAnswer === null ? null : toUser(userAnswer),
        scopes: tokenAnswer.scopes ?? [],
        tokenUuid: tokenAnswer.uuid ?? null,
        expiresAt: expiryOf(tokenAnswer.expires_at),
      };
      return account;
    },
  };
}

/**
 * The record, or null when the API server refuses the token.
 * @throws KeepError bad_gateway when the API server fails
 */
async function ask<T extends object>(url: string, token: string, signal: AbortSignal | undefined): Promise<T | null> {
  const response = await askClusterApi(url, token, TIMEOUT_MS, signal);
  if (response.status === 200) return clusterRecord<T>(response);
  await response.body?.cancel();
  if (response.status === 401 || response.status === 403) return null;
  throw clusterApiFailed(response);
}

function toUser(record: UserRecord): User {
  return {
    uuid: record.uuid ?? '',
    isAdmin: record.is_admin === true,
    isActive: record.is_active !== false,
    username: record.username ?? '',
    fullName: record.full_name ?? '',
  };
}
