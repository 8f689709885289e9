import { parseDuration } from '../../keep/duration.ts';
import { parseLocator, stripSignature } from '../../keep/locator.ts';
import { signLocator } from '../../keep/signature.ts';
import { CliError } from '../cli-error.ts';
import type { Command, Given } from '../command.ts';
import { print } from '../terminal.ts';

export const sign: Command = {
  name: 'sign',
  summary: 'sign block locators, for operators who hold the signing key',
  usage: 'LOCATOR... [options]',
  forms: { '': [1, Infinity] },
  options: {
    ttl: { value: 'DURATION', help: "the cluster's BlobSigningTTL (336h): it is part of every signature" },
    expires: { value: 'DURATION', help: 'from now; the TTL otherwise' },
  },
  help: `
The key is taken from BLOB_SIGNING_KEY and the token that the signature is for from ARVADOS_API_TOKEN: secrets do not
belong on command lines, where every user of the machine can read them.`,
  run: runSign,
};

const DEFAULT_TTL = '336h';

async function runSign(given: Given): Promise<number> {
  const { BLOB_SIGNING_KEY: key, ARVADOS_API_TOKEN: token, BLOB_SIGNING_TTL = DEFAULT_TTL } = process.env;
  if (!key) throw new CliError("BLOB_SIGNING_KEY is not set: it is the cluster's Collections.BlobSigningKey.");
  if (!token) throw new CliError('ARVADOS_API_TOKEN is not set: a signature is for one token.');
  const ttlSeconds = parseDuration(given.text('ttl') ?? BLOB_SIGNING_TTL);
  const expires = given.text('expires');
  const expiry = Math.floor(Date.now() / 1000) + (expires === undefined ? ttlSeconds : parseDuration(expires));
  for (const text of given.arguments) {
    parseLocator(text);
    print(signLocator(stripSignature(text), token, expiry, { key, ttlSeconds }));
  }
  return 0;
}
