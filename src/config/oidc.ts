/** An OpenID provider that people sign in with. */
export interface OidcSettings {
  /** Without a trailing slash. */
  issuer: string;
  clientId: string;
  clientSecret: string;
}

/** Null where no provider is set; what is missing or wrong goes into `problems`. */
export function parseOidc(env: Record<string, unknown>, problems: string[]): OidcSettings | null {
  const text = (name: string) => (typeof env[name] === 'string' ? env[name].trim() : '');
  const [issuer = '', clientId = '', clientSecret = ''] = ['OIDC_ISSUER', 'OIDC_CLIENT_ID', 'OIDC_CLIENT_SECRET'].map(
    text,
  );
  if (issuer === '') return null;
  if (!/^https?:\/\/[^?#]+$/.test(issuer))
    problems.push('OIDC_ISSUER: write an address such as "https://login.example.org"');
  if (clientId === '')
    problems.push('OIDC_CLIENT_ID: missing: the provider gives it to you, as does OIDC_CLIENT_SECRET');
  if (clientSecret === '') problems.push('OIDC_CLIENT_SECRET: missing: set it with `wrangler secret put`');
  return { issuer: issuer.replace(/\/$/, ''), clientId, clientSecret };
}
