const LIMITERS = ['LIMIT_TOKENS', 'LIMIT_ADDRESSES', 'LIMIT_ANONYMOUS', 'LIMIT_WRONG_TOKENS'];

/** What is wrong with the bindings that limits need. */
export function unboundLimits(env: Record<string, unknown>): string[] {
  const problems = LIMITERS.filter((name) => {
    const value = env[name];
    return value !== undefined && typeof (value as { limit?: unknown } | null)?.limit !== 'function';
  }).map((name) => `${name}: bind a limiter in [[ratelimits]] of wrangler.toml (docs/operate.md)`);
  const cap = env.ANONYMOUS_EGRESS_PER_DAY;
  if (cap !== undefined && cap !== '' && env.FIGURES === undefined)
    problems.push(
      'ANONYMOUS_EGRESS_PER_DAY: bind the Durable Object FIGURES (wrangler.toml has it), which adds up bytes',
    );
  return problems;
}
