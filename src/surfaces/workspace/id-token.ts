import { KeepError } from '../../keep/errors.ts';

/** What an ID token says, once its signature and what it is for are checked. */
export interface Claims {
  email: string;
  name: string;
}

export interface Expected {
  issuer: string;
  audience: string;
  nonce: string;
  /** Unix seconds. */
  now: number;
}

/** Clocks differ a little. */
const LEEWAY_SECONDS = 60;
const ALGORITHMS: Record<
  string,
  { import: RsaHashedImportParams | EcKeyImportParams; verify: SubtleCryptoSignAlgorithm }
> = {
  RS256: { import: { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' }, verify: { name: 'RSASSA-PKCS1-v1_5' } },
  ES256: { import: { name: 'ECDSA', namedCurve: 'P-256' }, verify: { name: 'ECDSA', hash: 'SHA-256' } },
};
type RsaHashedImportParams = SubtleCryptoImportKeyAlgorithm;
type EcKeyImportParams = SubtleCryptoImportKeyAlgorithm;

/** @throws KeepError forbidden for a token that is not the provider's, not for us, not for now, or without a proven address */
export async function checkIdToken(token: string, keys: JsonWebKeyWithId[], expected: Expected): Promise<Claims> {
  const [head = '', body = '', signature = '', ...rest] = token.split('.');
  const { alg = '', kid } = parsed(head);
  const algorithm = Object.hasOwn(ALGORITHMS, String(alg)) ? ALGORITHMS[String(alg)] : undefined;
  if (algorithm === undefined || rest.length > 0) throw refused('its signature is of a kind that is not accepted');
  const key = keys.find((candidate) => kid === undefined || candidate?.kid === kid);
  if (key === undefined) throw refused('it is signed with a key that the provider does not publish');
  const signed = new TextEncoder().encode(`${head}.${body}`);
  // A key or a signature that is malformed throws.
  const isRight = await crypto.subtle
    .importKey('jwk', key, algorithm.import, false, ['verify'])
    .then((imported) => crypto.subtle.verify(algorithm.verify, imported, bytesOf(signature), signed))
    .catch(() => false);
  if (!isRight) throw refused('its signature is wrong');
  const claims = parsed(body);
  const audiences = Array.isArray(claims.aud) ? claims.aud : [claims.aud];
  if (String(claims.iss).replace(/\/$/, '') !== expected.issuer || !audiences.includes(expected.audience))
    throw refused('it is for another service');
  if (!(Number(claims.exp) + LEEWAY_SECONDS > expected.now)) throw refused('it has expired');
  if (claims.nonce !== expected.nonce) throw refused('it answers another sign-in');
  if (typeof claims.email !== 'string' || claims.email === '') throw refused('it tells no e-mail address');
  if (claims.email_verified !== true) throw refused('the provider has not checked the e-mail address');
  return { email: claims.email.toLowerCase(), name: typeof claims.name === 'string' ? claims.name : '' };
}

export type JsonWebKeyWithId = JsonWebKey & { kid?: string };

function parsed(part: string): Record<string, unknown> {
  try {
    const found: unknown = JSON.parse(new TextDecoder().decode(bytesOf(part)));
    if (typeof found === 'object' && found !== null) return found as Record<string, unknown>;
  } catch {
    // Told below.
  }
  throw refused('it cannot be read');
}

function bytesOf(text: string): Uint8Array {
  return Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (char) => char.charCodeAt(0));
}

function refused(why: string): KeepError {
  return new KeepError('forbidden', { message: `The provider’s answer was not accepted: ${why}.` });
}
