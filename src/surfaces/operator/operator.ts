import { requireUser } from '../../accounts/access.ts';
import type { Authority, User } from '../../accounts/account.ts';
import type { Backups } from '../../backups/backups.ts';
import type { AnonymousEgress } from '../../http/anonymous-egress.ts';
import type { RequestContext } from '../../http/context.ts';
import type { GatheredFigures } from '../../http/gathered-figures.ts';
import type { RateLimits } from '../../http/rate-limits.ts';
import { recentErrors } from '../../http/recent-errors.ts';
import { KeepError } from '../../keep/errors.ts';
import { isToken } from '../../keep/token.ts';
import type { Queues } from '../../queues/queue-handles.ts';
import type { Search } from '../../search/search.ts';
import { type AdoptionDependencies, adoptions, gatewayList } from './adoptions.ts';
import { backup, restore } from './backups.ts';
import { type BalanceDependencies, balanceAction, balanceExplain, balanceStatus } from './balance.ts';
import { type DeploymentDependencies, deploymentFacts } from './deployment.ts';
import { queueStates } from './queues.ts';
import { searchAction, searchState } from './search.ts';
import { putQuota, usage } from './usage.ts';

export interface OperatorDependencies extends BalanceDependencies, AdoptionDependencies, DeploymentDependencies {
  config: BalanceDependencies['config'] & { managementToken: string | null };
  authority: Authority;
  db: D1Database | undefined;
  /** Null: no Durable Objects are bound. */
  queues: Queues | null;
  /** Null: FIGURES is not bound. */
  figures: GatheredFigures | null;
  /** Null: no limiter is bound. */
  limits: RateLimits | null;
  /** Null: ANONYMOUS_EGRESS_PER_DAY is not set. */
  egress: AnonymousEgress | null;
  /** Null: accounts and collections are not kept here. */
  backups: Backups | null;
  /** Null: collections are not kept here. */
  search: Search | null;
  /** Null: collections are not kept here. @returns whether there was anything to erase */
  eraseCollection: ((uuid: string) => Promise<boolean>) | null;
}

const HOUR_MS = 3_600_000;
const NO_STORE = { 'Cache-Control': 'private, no-store' };

/** `/keep-edge/v1/...`: what admins, and the command line, ask of a running service. JSON; admins only, but for adoptions. */
export async function operator(context: RequestContext, deps: OperatorDependencies): Promise<Response> {
  const [, , , subject = '', ...rest] = context.path.split('/');
  const response = isMonitor(context, subject, deps)
    ? await deploymentFacts(false, deps)
    : await dispatch(context, await requireUser(deps.authority, context), { subject, rest }, deps);
  for (const [name, value] of Object.entries(NO_STORE)) response.headers.set(name, value);
  return response;
}

/** The management token may look at the deployment, and change nothing. */
function isMonitor({ tokens, method }: RequestContext, subject: string, { config }: OperatorDependencies): boolean {
  const { managementToken } = config;
  const isAsked = subject === 'deployment' && method === 'GET';
  return isAsked && managementToken !== null && isToken(tokens[0] ?? '', managementToken);
}

function dispatch(
  context: RequestContext,
  user: User,
  { subject, rest }: { subject: string; rest: string[] },
  deps: OperatorDependencies,
): Promise<Response> {
  if (subject === 'adoptions') return adoptions(context, user, rest, deps);
  if (subject === 'gateways' && context.method === 'GET') return gatewayList(context, user, deps);
  if (!user.isAdmin) throw new KeepError('forbidden', { message: 'Forbidden: this is for admins' });
  const [first = '', second = ''] = rest;
  const isGet = context.method === 'GET';
  if (subject === 'usage' && isGet && first === '') return usage(deps.db, context.url.searchParams);
  if (subject === 'balance' && isGet && first === '') return balanceStatus(deps);
  if (subject === 'balance' && isGet && first === 'explain') return balanceExplain(second, deps);
  if (subject === 'balance' && context.method === 'POST' && first !== '') return balanceAction(first, deps);
  if (subject === 'search' && isGet && first === '') return searchState(deps.search);
  if (subject === 'search' && context.method === 'POST') return searchAction(first, deps.search);
  if (subject === 'deployment' && (isGet || context.method === 'POST')) return deploymentFacts(!isGet, deps);
  if (subject === 'figures' && isGet) return figuresOf(deps);
  if (subject === 'limits' && isGet) return limitsOf(deps);
  if (subject === 'queues' && isGet) return queueStates(deps.queues);
  if (subject === 'errors' && isGet) return errorsOf(deps);
  if (subject === 'backup' && (isGet || context.method === 'POST')) return backup(context.method, deps.backups);
  if (subject === 'restore' && context.method === 'POST') return restore(first, deps.backups);
  if (subject === 'quotas' && context.method === 'PUT') return putQuota(deps.db, first, context.request);
  if (subject === 'collections' && context.method === 'DELETE') return erase(first, deps);
  throw new KeepError('not_found', { message: 'there is nothing at this address: see docs/operate.md' });
}

async function erase(uuid: string, { eraseCollection }: OperatorDependencies): Promise<Response> {
  if (eraseCollection === null)
    throw new KeepError('not_found', { message: 'collections are kept by the cluster: erase them there' });
  if (!/^[0-9a-z]{5}-4zz18-[0-9a-z]{15}$/.test(uuid))
    throw new KeepError('bad_request', { message: 'name the UUID of a collection' });
  if (!(await eraseCollection(uuid)))
    throw new KeepError('not_found', { message: 'there is no such collection, nor a backup of it' });
  return Response.json({ uuid, erased: true });
}

/** `GET figures`: sums over all isolates since the service began, `name{labels}` to value, and requests of each hour of the last week. */
async function figuresOf({ figures }: OperatorDependencies): Promise<Response> {
  if (figures === null)
    throw new KeepError('not_configured', {
      message: 'figures are gathered by the Durable Object FIGURES: bind it in wrangler.toml',
    });
  const [series, hours] = await Promise.all([figures.read(), figures.hours()]);
  return Response.json({
    series: Object.fromEntries(series),
    hours: hours.map(({ hour, ...sums }) => ({ begins_at: new Date(hour * HOUR_MS).toISOString(), ...sums })),
  });
}

/** `GET errors`: the last requests that failed. Those of one isolate where nothing gathers them. */
async function errorsOf({ figures }: OperatorDependencies): Promise<Response> {
  const errors = figures === null ? recentErrors() : await figures.errors();
  return Response.json({
    of: figures === null ? 'one isolate' : 'all isolates',
    errors: errors.map(({ requestId, ...error }) => ({ ...error, request_id: requestId })),
  });
}

/** `GET limits`: which limits there are, and what went out today to readers without an account. */
async function limitsOf({ limits, egress }: OperatorDependencies): Promise<Response> {
  return Response.json({ limits: limits?.bound ?? [], anonymous_egress: egress === null ? null : await egress.read() });
}
