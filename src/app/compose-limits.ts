import { waitUntil } from 'cloudflare:workers';
import type { Config } from '../config/config.ts';
import type { Env } from '../config/env.ts';
import { type AnonymousEgress, createAnonymousEgress, type EgressCounter } from '../http/anonymous-egress.ts';
import { createRateLimits, type RateLimiters, type RateLimits } from '../http/rate-limits.ts';
import { isToken, parseToken } from '../keep/token.ts';
import type { AccountDependencies } from './compose-accounts.ts';

/** What holds clients back. */
export interface LimitDependencies {
  /** Null: no limiter is bound. */
  limits: RateLimits | null;
  /** Null: ANONYMOUS_EGRESS_PER_DAY is not set. */
  egress: AnonymousEgress | null;
  /** Whether a token is that of everyone. */
  isPublicToken(token: string): boolean;
}

/** The object of FIGURES that adds up bytes. */
const COUNTER = 'anonymous egress';

export function composeLimits(config: Config, env: Env, accounts: AccountDependencies): LimitDependencies {
  const isPublicToken = publicTokens([config.downloads.anonymousToken, accounts.anonymousToken]);
  const limiters: RateLimiters = {
    ...(env.LIMIT_TOKENS === undefined ? {} : { tokens: env.LIMIT_TOKENS }),
    ...(env.LIMIT_ADDRESSES === undefined ? {} : { addresses: env.LIMIT_ADDRESSES }),
    ...(env.LIMIT_ANONYMOUS === undefined ? {} : { anonymous: env.LIMIT_ANONYMOUS }),
    ...(env.LIMIT_WRONG_TOKENS === undefined ? {} : { wrong_tokens: env.LIMIT_WRONG_TOKENS }),
  };
  const own = [config.systemRootToken, config.managementToken ?? ''];
  const known = {
    isExempt: (token: string) => own.some((secret) => isToken(token, secret)),
    isPublic: isPublicToken,
    isKnown: accounts.knowsToken,
  };
  return {
    limits: Object.keys(limiters).length === 0 ? null : createRateLimits(limiters, config.clusterId, known),
    egress: egressOf(config, env),
    isPublicToken,
  };
}

function egressOf({ anonymousEgressPerDay: cap }: Config, { FIGURES }: Env): AnonymousEgress | null {
  if (cap === null || FIGURES === undefined) return null;
  const counter: EgressCounter = {
    spend: (day, bytes) => (FIGURES.getByName(COUNTER) as unknown as EgressCounter).spend(day, bytes),
  };
  return createAnonymousEgress(counter, cap, { waitUntil, wait: (ms) => scheduler.wait(ms), now: Date.now });
}

function publicTokens(tokens: (string | null)[]): (token: string) => boolean {
  const texts = tokens.flatMap((token) => (token === null ? [] : [token, parseToken(token).secret]));
  return (token) => texts.some((text) => isToken(token, text));
}
