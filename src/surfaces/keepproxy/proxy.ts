import type { BlockCache } from '../../blocks/edge-cache.ts';
import type { AsideStore } from '../../blocks/name-block.ts';
import type { RequestContext } from '../../http/context.ts';
import { isKeepError, KeepError } from '../../keep/errors.ts';
import type { Caller } from '../../services/federation.ts';
import type { KeepClient } from '../../services/keep-client.ts';
import type { Proofs } from '../../services/proofs.ts';
import type { ServiceSource } from '../../services/service-source.ts';

/** Without volumes this service is the cluster's keepproxy: it forwards to the cluster's keepstores. */
export interface KeepProxy {
  /** A client of the cluster's Keep services, or of a single one, with the caller's own token. */
  clientFor(caller: Caller, service?: string): KeepClient;
  services: ServiceSource;
  proofs: Proofs;
  cache: BlockCache;
  /** For POST. */
  aside: AsideStore;
  defaultReplication: number;
  defaultClasses: readonly string[];
}

const NAME = 'keepproxy';
/** The smallest scope that a sharing link's token has. */
export const READER_SCOPE = '/arvados/v1/keep_services/accessible';

/** A request that already came through a keepproxy would go in circles. @throws KeepError internal */
export function refuseLoops({ request }: RequestContext): void {
  if (` ${request.headers.get('Via') ?? ''}`.includes(` ${NAME}`)) {
    throw new KeepError('internal', { message: 'loop detected: this request came through a keepproxy already' });
  }
}

/** keepproxy answers 403 for every fault of a token, also where keepstore says 401. */
export async function permitted<Result>(check: Promise<Result>): Promise<Result> {
  try {
    return await check;
  } catch (error) {
    const isRefusal = ['no_token', 'unauthorized', 'forbidden'] as const;
    if (!isRefusal.some((code) => isKeepError(error, code))) throw error;
    throw new KeepError('forbidden', {
      message: 'Forbidden: a token is needed that the cluster knows and that may do this',
      cause: error,
    });
  }
}

/** For every successful answer of the proxy. */
export function viaHeader({ request }: RequestContext): { Via: string } {
  const protocol = (request.cf as { httpProtocol?: string } | undefined)?.httpProtocol || 'HTTP/1.1';
  return { Via: `${protocol} ${NAME}` };
}
