import { existsSync, readFileSync } from 'node:fs';
import tls from 'node:tls';
import { CliError } from './cli-error.ts';

/** Arvados clients look here before the system's own store. */
const ARVADOS_BUNDLE = '/etc/arvados/ca-certificates.crt';
/** The system's store as one file: Debian, Fedora, SUSE, Alpine and macOS. */
const SYSTEM_BUNDLES = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
  '/etc/ssl/cert.pem',
];

/**
 * The authorities that servers' certificates are checked against: SSL_CERT_FILE, or Arvados' bundle, or the system's
 * store; NODE_EXTRA_CA_CERTS adds to it. Null for those that come with Node.
 * @throws CliError when a file that is set cannot be used
 */
export function trustedAuthorities(
  env: Record<string, string | undefined>,
  bundles: readonly string[] = [ARVADOS_BUNDLE, ...SYSTEM_BUNDLES],
): string[] | null {
  const found = env.SSL_CERT_FILE ? readBundle(env.SSL_CERT_FILE, 'SSL_CERT_FILE') : readFirst(bundles);
  if (found === null) return null;
  return [...found, ...readExtra(env.NODE_EXTRA_CA_CERTS)];
}

/** Node itself warns of a file that it cannot read. */
function readExtra(file: string | undefined): string[] {
  try {
    return file ? readBundle(file, 'NODE_EXTRA_CA_CERTS') : [];
  } catch {
    return [];
  }
}

function readFirst(bundles: readonly string[]): string[] | null {
  const file = bundles.find((each) => existsSync(each));
  if (file !== undefined) return readBundle(file, 'the store of certificates');
  // Windows and macOS keep theirs elsewhere; Node 20 cannot read it.
  const system = (tls as { getCACertificates?(type: 'system'): string[] }).getCACertificates?.('system') ?? [];
  return system.length > 0 ? system : null;
}

function readBundle(file: string, name: string): string[] {
  let text: string;
  try {
    text = readFileSync(file, 'latin1');
  } catch (error) {
    throw new CliError(`${name}, ${file}, cannot be read: ${(error as NodeJS.ErrnoException).code}`);
  }
  if (!text.includes('-----BEGIN ')) throw new CliError(`${name}, ${file}, holds no certificate in PEM form.`);
  return [text];
}
