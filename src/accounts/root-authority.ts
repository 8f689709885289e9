import { isToken } from '../keep/token.ts';
import { systemUserUuid } from '../records/ids.ts';
import type { Account, Authority } from './account.ts';

/** The root token comes from the secret and never from a table; every other token is the next authority's business. */
export function withRootToken(systemRootToken: string, clusterId: string, next: Authority): Authority {
  const root: Account = {
    user: { uuid: systemUserUuid(clusterId), isAdmin: true, isActive: true, username: 'root', fullName: 'Root' },
    scopes: ['all'],
    tokenUuid: null,
    expiresAt: null,
  };
  return {
    identify: (token, signal) =>
      isToken(token, systemRootToken) ? Promise.resolve(root) : next.identify(token, signal),
  };
}
