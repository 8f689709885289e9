/** An OpenID provider that people sign in with. */
export interface OidcSettings {
  /** Without a trailing slash. */
  issuer: string;
  clientId: string;
  clientSecret: string;
}

/** Null where no provider is set, or not wholly: then `problem` says what is missing. */
export function parseOidc(env: Record<string, unknown>): { oidc: OidcSettings | null; problem: string | null } {
  const text = (name: string) => (typeof env[name] === 'string' ? env[name].trim() : '');
  const [issuer, clientId, clientSecret] = ['OIDC_ISSUER', 'OIDC_CLIENT_ID', 'OIDC_CLIENT_SECRET'].map(text);
  if (!issuer) return { oidc: null, problem: null };
  if (!/^https?:\/\/[^?#]+$/.test(issuer))
    return { oidc: null, problem: 'OIDC_ISSUER: write an address such as "https://login.example.org"' };
  if (!clientId || !clientSecret)
    return {
      oidc: null,
      problem:
        'OIDC_ISSUER is set, but not OIDC_CLIENT_ID and the secret OIDC_CLIENT_SECRET: no one can sign in with it.',
    };
  return { oidc: { issuer: issuer.replace(/\/$/, ''), clientId, clientSecret }, problem: null };
}
