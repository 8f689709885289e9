import type { User } from '../../accounts/account.ts';
import type { RequestContext } from '../../http/context.ts';
import { KeepError } from '../../keep/errors.ts';
import type { WorkspaceDependencies } from './dependencies.ts';

/** Who looks at a page, with the token that their requests go by. */
export interface Visitor {
  token: string;
  /** UUID of the token; null where the cluster does not tell it. */
  tokenUuid: string | null;
  user: User;
}

/** Null for who has no token, or one that is not valid, not active, or does not tell whose it is. */
export async function visitorOf(context: RequestContext, deps: WorkspaceDependencies): Promise<Visitor | null> {
  for (const token of new Set(context.tokens)) {
    if (token === '') continue;
    const account = await deps.identify(token, context.signal);
    if (account?.user?.isActive === true) return { token, tokenUuid: account.tokenUuid, user: account.user };
  }
  return null;
}

/** For pages that show nothing to others: they are asked to sign in. @throws KeepError no_token */
export async function requireVisitor(context: RequestContext, deps: WorkspaceDependencies): Promise<Visitor> {
  const visitor = await visitorOf(context, deps);
  if (visitor === null) throw new KeepError('no_token');
  return visitor;
}
