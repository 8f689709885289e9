import { cacheKey, createBoundedMap } from '../keep/bounded-map.ts';
import { idOfHost } from '../keep/collection-ids.ts';
import { KeepError } from '../keep/errors.ts';
import { parseToken } from '../keep/token.ts';
import type { Admission } from './admission.ts';
import type { RequestContext } from './context.ts';
import { count } from './metrics.ts';

/** The platform's rate limiting binding. It counts in each data centre for itself, and answers without a way to a store. */
export interface RateLimiter {
  limit(options: { key: string }): Promise<{ success: boolean }>;
}

/** What requests are counted by. */
export const LIMITS = ['tokens', 'addresses', 'anonymous', 'wrong_tokens'] as const;
export type Limit = (typeof LIMITS)[number];
/** Those that are bound. */
export type RateLimiters = Partial<Record<Limit, RateLimiter>>;

export interface RateLimits {
  bound: Limit[];
  /**
   * Counts a request.
   * @param isForS3 whether S3 answers it, which counts the token of a signature itself
   * @throws KeepError too_many_requests
   */
  admit(context: RequestContext, isForS3: boolean): Promise<Admission>;
  /** Counts a request with a token that no authority knows. */
  noteWrongToken(context: RequestContext): Promise<void>;
}

export interface KnownTokens {
  /** The service's own, which keep-balance and monitoring use. */
  isExempt(token: string): boolean;
  /** The anonymous one, which is everyone's. */
  isPublic(token: string): boolean;
  /** Whether it was accepted a moment ago; asks no store. */
  isKnown(token: string): Promise<boolean>;
}

/** The windows that docs/operate.md advises; a binding does not say its own. */
const WAIT_SECONDS = 10;
const SENTENCES: Record<Limit, string> = {
  tokens: 'too many requests with this token',
  addresses: 'too many requests from this address',
  anonymous: 'too many requests without a token from this address: wait, or sign in',
  wrong_tokens: 'too many requests with wrong tokens from this address',
};
const MAX_BARRED = 10_000;

export function createRateLimits(limiters: RateLimiters, clusterId: string, known: KnownTokens): RateLimits {
  /** Networks whose wrong tokens were too many, for as long as a window lasts. */
  const barred = createBoundedMap<true>({ maxEntries: MAX_BARRED, maxBytes: 4 * 1024 * 1024, sizeOf: () => 0 });

  /** The keys are digests: the platform may keep and show them. The cluster's id keeps services of one account apart. */
  async function allows(limit: Limit, value: string): Promise<boolean> {
    const limiter = limiters[limit];
    if (limiter === undefined) return true;
    const key = await cacheKey('keep-edge', clusterId, limit, value);
    // A limiter that fails must not take the service down.
    const { success } = await limiter.limit({ key }).catch(() => ({ success: true }));
    return success;
  }

  async function require(limit: Limit, value: string): Promise<void> {
    if (!(await allows(limit, value))) throw tooMany(limit);
  }

  return {
    bound: LIMITS.filter((limit) => limiters[limit] !== undefined),
    async admit(context, isForS3) {
      const network = networkOf(context.request);
      const beforeLookUp = async (token: string) => {
        if (network === null || barred.get(network) === undefined) return;
        if (token === '' || !(await known.isKnown(token))) throw tooMany('wrong_tokens');
      };
      // However a token is written, its uses count together.
      const countToken = (token: string) => require('tokens', parseToken(token).secret);
      const all = tokensOf(context);
      const [token = null] = all;
      if (isOpen(context, isForS3) || (token !== null && known.isExempt(token))) return { beforeLookUp, countToken };
      const isUsers = token !== null && !known.isPublic(token);
      if (network !== null) {
        await require('addresses', network);
        if (!isUsers && !(isForS3 && isSigned(context.request))) await require('anonymous', network);
      }
      // A surface may look up any of them: the one in an address goes before that of a header.
      for (const one of all) if (!known.isPublic(one)) await beforeLookUp(one);
      if (isUsers) await countToken(token);
      else if (triesToken(context)) await beforeLookUp('');
      return { beforeLookUp, countToken };
    },
    async noteWrongToken({ request }) {
      const network = networkOf(request);
      if (network === null || (await allows('wrong_tokens', network))) return;
      barred.set(network, true, Date.now() + WAIT_SECONDS * 1000);
    },
  };
}

function tooMany(limit: Limit): KeepError {
  count('keep_edge_refused_requests_total', { limit });
  const message = `${SENTENCES[limit]}; go on in ${WAIT_SECONDS} seconds`;
  return new KeepError('too_many_requests', { message, headers: { 'Retry-After': String(WAIT_SECONDS) } });
}

/** Health checks, figures and preflights are never refused. On hosts of collections and of S3 their paths are ordinary ones. */
function isOpen({ method, path, request: { headers } }: RequestContext, isForS3: boolean): boolean {
  if (method === 'OPTIONS') return headers.has('Access-Control-Request-Method');
  if (isForS3 || idOfHost(headers.get('Host') ?? '') !== null) return false;
  return path === '/metrics' || path.startsWith('/_health/');
}

/** The request's tokens, that in its address last. S3's clients sign instead. */
function tokensOf({ tokens, path }: RequestContext): string[] {
  return [...tokens, /\/t=([^/]+)\//.exec(path)?.[1] ?? ''].filter((text) => text !== '');
}

/** Whether a token may be in the body, or what stands for one in the query: forms, sign-in links, a provider's answer. */
function triesToken({ method, path, request }: RequestContext): boolean {
  if (/^\/workspace\/(?:enter|oidc\/callback)/.test(path)) return true;
  return (
    method === 'POST' &&
    /^(?:application\/x-www-form-urlencoded|multipart\/form-data)/i.test(request.headers.get('Content-Type') ?? '')
  );
}

/** Whether a request of S3's names an access key. */
function isSigned({ headers, url }: Request): boolean {
  if (/^AWS(4-| )/.test(headers.get('Authorization') ?? '')) return true;
  const query = url.indexOf('?');
  return query >= 0 && /[?&](X-Amz-Credential|AWSAccessKeyId)=/.test(url.slice(query));
}

/**
 * The client's address as the platform says it, which no client can set; the first 64 bits of an IPv6 one, because a
 * household has as many. Null where the platform says none.
 */
export function networkOf({ headers }: Pick<Request, 'headers'>): string | null {
  const address = headers.get('CF-Connecting-IP')?.trim() ?? '';
  if (address === '') return null;
  if (!address.includes(':')) return address;
  const [head = '', tail] = address.toLowerCase().split('::');
  const groups = head === '' ? [] : head.split(':');
  const rest = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - groups.length - rest.length);
  const all = [...groups, ...Array<string>(zeros).fill('0'), ...rest];
  return `${all
    .slice(0, 4)
    .map((group) => group.replace(/^0+(?=.)/, ''))
    .join(':')}::/64`;
}
