import { expect, test } from 'vitest';
import { filesBelow, sectionOf, textOf } from './repository.ts';

/** docs/operate.md's table of secrets, as first column to the whole row. */
const ROWS = sectionOf('docs/operate.md', 'Keys and how to change them')
  .split('\n')
  .filter((line) => line.startsWith('| '))
  .map((row) => ({ names: row.split(' | ')[0] ?? '', row }));

test('every secret that the configuration knows has a row that says what its change breaks', () => {
  const known = new Set(
    filesBelow('src/config').flatMap(
      (file) => textOf(file).match(/\b[A-Z][A-Z0-9_]*_(?:SECRET|TOKEN|KEY|KEY_ID|PASSWORD)\b/g) ?? [],
    ),
  );
  expect(known.size).toBeGreaterThan(8);
  expect([...known].filter((name) => !ROWS.some(({ names }) => names.includes(`\`${name}\``)))).toEqual([]);
});

/** What takes a secret to derive something from it: the words that the secret's row has for that. */
const DERIVED: Record<string, [secret: string, words: string]> = {
  'signingOf(config)': ['BLOB_SIGNING_KEY', 'signatures of blocks'],
  'createDigestStore(config.blobSigningKey)': ['BLOB_SIGNING_KEY', 'digests of parts of blocks'],
  'hmacSha1Hex(config.blobSigningKey)': ['BLOB_SIGNING_KEY', 'the code of the entrypoint `Block`'],
  'createTickets(config.systemRootToken)': ['SYSTEM_ROOT_TOKEN', '`t=ticket-…`'],
  'anonymousToken(config.systemRootToken)': ['SYSTEM_ROOT_TOKEN', 'the anonymous token'],
  'createDerivedKeys(config.systemRootToken)': ['SYSTEM_ROOT_TOKEN', 'S3 key pairs'],
  'createDerivedKeys(config.s3KeySecret)': ['S3_KEY_SECRET', 'S3 key pairs'],
  // Uses that derive nothing: the token is compared, or sent to the cluster.
  'withRootToken(config.systemRootToken)': ['SYSTEM_ROOT_TOKEN', 'scripts with the old one'],
  'createClusterKeys(config.systemRootToken)': ['SYSTEM_ROOT_TOKEN', 'Beside a cluster nothing'],
};

test('whatever is derived from a secret is named in that secret’s row', () => {
  const calls = filesBelow('src/app').flatMap((file) => [
    ...[...textOf(file).matchAll(/\bsigningOf\(config\)/g)].map(([call]) => call),
    ...[
      ...textOf(file).matchAll(/(\w+)\(([^()]*\bconfig\.(?:systemRootToken|blobSigningKey|s3KeySecret)\b[^()]*)\)/g),
    ].flatMap(([, callee = '', given = '']) =>
      [...given.matchAll(/config\.(?:systemRootToken|blobSigningKey|s3KeySecret)\b/g)].map(
        ([use]) => `${callee}(${use})`,
      ),
    ),
  ]);
  expect(new Set(calls)).toEqual(new Set(Object.keys(DERIVED)));
  for (const [secret, words] of Object.values(DERIVED))
    expect(ROWS.find(({ names }) => names.includes(`\`${secret}\``))?.row).toContain(words);
});
