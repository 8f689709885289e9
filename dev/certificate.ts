import { X509Certificate } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { generate } from 'selfsigned';

const DAY_MS = 24 * 60 * 60_000;
const VALID_DAYS = 825;
const RENEW_BEFORE_DAYS = 30;
const DNS = 2;
const IP = 7;

/** The self-signed certificate of `npm start -- --https`: made at first start, kept in the state directory, renewed before it ends. */
export async function localCertificate(state: string): Promise<{ key: string; cert: string }> {
  const files = { key: join(state, 'https-key.pem'), cert: join(state, 'https-cert.pem') };
  const read = (file: string) => readFile(file, 'utf8').catch(() => '');
  const [key, cert] = await Promise.all([read(files.key), read(files.cert)]);
  const renewFrom = Date.now() + RENEW_BEFORE_DAYS * DAY_MS;
  if (key !== '' && cert !== '' && new X509Certificate(cert).validToDate.getTime() > renewFrom) return { key, cert };
  const made = await generate([{ name: 'commonName', value: 'localhost' }], {
    keyType: 'ec',
    algorithm: 'sha256',
    notAfterDate: new Date(Date.now() + VALID_DAYS * DAY_MS),
    extensions: [
      {
        name: 'subjectAltName',
        altNames: [
          { type: DNS, value: 'localhost' },
          { type: IP, ip: '127.0.0.1' },
        ],
      },
    ],
  });
  await writeFile(files.key, made.private, { mode: 0o600 });
  await writeFile(files.cert, made.cert);
  return { key: made.private, cert: made.cert };
}
