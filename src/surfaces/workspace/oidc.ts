import type { RequestContext } from '../../http/context.ts';
import { clientScheme } from '../../http/session-cookie.ts';
import { KeepError } from '../../keep/errors.ts';
import { html } from '../../pages/markup.ts';
import { boundedJson } from '../../streams/bounded-text.ts';
import { ask } from './api.ts';
import type { WorkspaceDependencies } from './dependencies.ts';
import { ownPath, seeOther } from './forms.ts';
import { checkIdToken, type JsonWebKeyWithId } from './id-token.ts';
import { createSession } from './session.ts';
import { problem, workspacePage } from './shell.ts';
import { signedIn } from './sign-in.ts';

const COOKIE = 'keep_edge_oidc';
const PATH = '/workspace/oidc';
const STEP_SECONDS = 600;
/** For each answer of the provider, whole. */
const ANSWER_TIMEOUT_MS = 10_000;
const MAX_ANSWER_BYTES = 256 * 1024;

/** What the visitor's browser keeps while they are at the provider. */
interface Step {
  state: string;
  nonce: string;
  verifier: string;
  next: string;
}

/** `/workspace/oidc`: leads to the provider. */
export async function toProvider(context: RequestContext, deps: WorkspaceDependencies): Promise<Response> {
  const oidc = requireProvider(deps);
  const { authorization_endpoint } = await discover(oidc.issuer);
  const step: Step = {
    state: random(),
    nonce: random(),
    verifier: random(),
    next: ownPath(context.url.searchParams.get('next')),
  };
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(step.verifier));
  const target = URL.parse(authorization_endpoint);
  if (target === null) throw badAnswer();
  const query = {
    response_type: 'code',
    client_id: oidc.clientId,
    redirect_uri: callbackOf(context),
    scope: 'openid email profile',
    state: step.state,
    nonce: step.nonce,
    code_challenge: base64url(new Uint8Array(digest)),
    code_challenge_method: 'S256',
  };
  for (const [name, value] of Object.entries(query)) target.searchParams.set(name, value);
  return seeOther(target.href, { 'Set-Cookie': stepCookie(context, btoa(JSON.stringify(step)), STEP_SECONDS) });
}

/** `/workspace/oidc/callback`: the provider's answer becomes a session of the user who has this e-mail address. */
export async function fromProvider(context: RequestContext, deps: WorkspaceDependencies): Promise<Response> {
  const oidc = requireProvider(deps);
  const { searchParams } = context.url;
  const step = stepOf(context);
  if (step === null || step.state !== searchParams.get('state'))
    throw new KeepError('forbidden', {
      message: 'This answer belongs to no sign-in that this browser has begun: sign in again.',
    });
  const code = searchParams.get('code');
  if (code === null)
    throw new KeepError('forbidden', {
      message: `The provider did not sign you in (${searchParams.get('error') ?? 'no code'}).`,
    });
  const { token_endpoint, jwks_uri } = await discover(oidc.issuer);
  const answer = await fetchJson(token_endpoint, {
    method: 'POST',
    headers: {
      Authorization: `Basic ${btoa(`${encodeURIComponent(oidc.clientId)}:${encodeURIComponent(oidc.clientSecret)}`)}`,
    },
    body: new URLSearchParams({
      grant_type: 'authorization_code',
      code,
      redirect_uri: callbackOf(context),
      code_verifier: step.verifier,
    }),
  });
  const { keys } = (await fetchJson(jwks_uri)) as { keys?: JsonWebKeyWithId[] };
  if (!Array.isArray(keys)) throw badAnswer();
  const expected = { issuer: oidc.issuer, audience: oidc.clientId, nonce: step.nonce, now: context.now };
  const { email } = await checkIdToken(String(answer.id_token ?? ''), keys, expected);
  const { items } = await ask(context, deps, deps.settings.rootToken, 'users', {
    query: { filters: [['email', '=', email]], limit: 2, count: 'none' },
  });
  if (items.length !== 1 || !items[0].is_active) {
    const why =
      items.length > 1
        ? 'More than one account has this e-mail address'
        : items.length === 1
          ? 'This account is not active'
          : 'There is no account for this e-mail address';
    const body = html`<h1>Not signed in</h1>${problem(html`${why}: ${email}. Ask an admin to invite you.`)}`;
    return workspacePage(context, null, { title: 'Not signed in', body, status: 403 });
  }
  const response = await signedIn(context, deps, await createSession(context, deps, items[0].uuid), step.next, true);
  response.headers.append('Set-Cookie', stepCookie(context, '', 0));
  return response;
}

function requireProvider({ settings }: WorkspaceDependencies) {
  if (settings.oidc === null)
    throw new KeepError('not_found', { message: 'No provider is set here: sign in with a token.' });
  return settings.oidc;
}

interface Discovery {
  authorization_endpoint: string;
  token_endpoint: string;
  jwks_uri: string;
}

async function discover(issuer: string): Promise<Discovery> {
  return (await fetchJson(`${issuer}/.well-known/openid-configuration`)) as unknown as Discovery;
}

/** @throws KeepError bad_gateway also for an answer that is late, or too long; no redirect is followed */
async function fetchJson(url: string, init: RequestInit = {}): Promise<Record<string, unknown>> {
  try {
    const signal = AbortSignal.timeout(ANSWER_TIMEOUT_MS);
    const answer = await fetch(url, { ...init, redirect: 'manual', signal });
    const found = answer.ok ? await boundedJson(answer, MAX_ANSWER_BYTES) : await answer.body?.cancel();
    if (typeof found === 'object' && found !== null) return found as Record<string, unknown>;
  } catch {
    // Told below.
  }
  throw badAnswer();
}

function badAnswer(): KeepError {
  return new KeepError('bad_gateway', {
    message: 'The provider does not answer as it should: try again, or sign in with a token.',
  });
}

function callbackOf({ request, url }: RequestContext): string {
  return `${clientScheme(request, url)}://${url.host}${PATH}/callback`;
}

function stepOf({ request }: RequestContext): Step | null {
  const value = new RegExp(`(?:^|;\\s*)${COOKIE}=([^;]+)`).exec(request.headers.get('Cookie') ?? '')?.[1];
  try {
    return value === undefined ? null : (JSON.parse(atob(decodeURIComponent(value))) as Step);
  } catch {
    return null;
  }
}

function stepCookie({ request, url }: RequestContext, value: string, seconds: number): string {
  const secure = clientScheme(request, url) === 'https' ? '; Secure' : '';
  return `${COOKIE}=${encodeURIComponent(value)}; Path=${PATH}; HttpOnly; SameSite=Lax; Max-Age=${seconds}${secure}`;
}

function random(): string {
  return base64url(crypto.getRandomValues(new Uint8Array(32)));
}

function base64url(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '');
}
