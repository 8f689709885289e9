import type { RequestContext } from '../../http/context.ts';
import { KeepError } from '../../keep/errors.ts';
import { isToken } from '../../keep/token.ts';

/** Lets the cluster's root token pass, in any of the request's credentials (keep-block-api.md 3.3). @throws KeepError `unauthorized`, `forbidden` */
export function requireRoot({ tokens }: RequestContext, { systemRootToken }: { systemRootToken: string }): void {
  if (tokens.length === 0) throw new KeepError('unauthorized');
  if (!tokens.some((token) => isToken(token, systemRootToken))) throw new KeepError('forbidden');
}
