import { describe, expect, test } from 'vitest';
import { type Config, parseConfig } from '../../../src/config/config.ts';

const UUID = 'xtest-nyw5e-000000000000000';
const OTHER = 'xtest-nyw5e-000000000000001';
const SECRET = 'x'.repeat(32);
const sound = () => ({
  CLUSTER_ID: 'xtest',
  SYSTEM_ROOT_TOKEN: `root${SECRET}`,
  MANAGEMENT_TOKEN: `management${SECRET}`,
  BLOB_SIGNING_KEY: `signing${SECRET}`,
  BLOCKS: {},
  VOLUMES: { [UUID]: { Driver: 'R2', DriverParameters: { Binding: 'BLOCKS' } } } as Record<string, unknown>,
});

function accepted(env: Record<string, unknown>): Config {
  const result = parseConfig(env);
  if (!result.ok) throw new Error(result.problems.join('\n'));
  return result.config;
}

function problems(env: Record<string, unknown>): string[] {
  const result = parseConfig(env);
  return result.ok ? [] : result.problems;
}

const s3 = (parameters: Record<string, unknown>) => ({
  Driver: 'S3',
  DriverParameters: { Bucket: 'keep', ...parameters },
});

describe('a sound configuration', () => {
  test('needs secrets, a cluster id and a volume; the rest has the cluster’s defaults', () => {
    expect(accepted(sound())).toMatchObject({
      blobSigning: true,
      blobSigningTtlSeconds: 1_209_600,
      blobTrashLifetimeSeconds: 1_209_600,
      blobTrashCheckIntervalSeconds: 86_400,
      verifyReads: 'attested',
      edgeCache: 'local',
      hedgedReads: true,
      volumes: [{ uuid: UUID, replication: 1, storageClasses: { default: true }, prefixLength: 0, readOnly: false }],
    });
  });

  test('reads durations, switches, numbers and tables as text too, as .dev.vars holds them', () => {
    const env = { ...sound(), BLOB_SIGNING_TTL: '1h30m', EDGE_CACHE: 'false', BLOB_TRASH_CONCURRENCY: '7' };
    const config = accepted({ ...env, VOLUMES: JSON.stringify(sound().VOLUMES) });
    expect(config).toMatchObject({ blobSigningTtlSeconds: 5400, edgeCache: 'off', blobTrashConcurrency: 7 });
    expect(config.volumes).toHaveLength(1);
  });

  test('lists volumes in UUID order and takes S3 keys from the secrets that are named', () => {
    const VOLUMES = {
      [OTHER]: s3({ Endpoint: 'https://s3.example.org', AccessKeyIDSecret: 'MY_KEY' }),
      ...sound().VOLUMES,
    };
    const { volumes } = accepted({ ...sound(), VOLUMES, MY_KEY: 'AKID', S3_SECRET_ACCESS_KEY: 'SK' });
    expect(volumes.map((volume) => volume.uuid)).toEqual([UUID, OTHER]);
    expect(volumes[1]?.driver).toMatchObject({ accessKeyId: 'AKID', secretAccessKey: 'SK', region: 'us-east-1' });
  });

  test('has an OpenID provider, whole or not at all', () => {
    const OIDC = { OIDC_ISSUER: 'https://login.example.org/', OIDC_CLIENT_ID: 'keep', OIDC_CLIENT_SECRET: 'secret' };
    expect(accepted(sound()).oidc).toBe(null);
    expect(accepted({ ...sound(), ...OIDC }).oidc).toEqual({
      issuer: 'https://login.example.org',
      clientId: 'keep',
      clientSecret: 'secret',
    });
    expect(problems({ ...sound(), OIDC_ISSUER: OIDC.OIDC_ISSUER })).toEqual([
      expect.stringMatching(/^OIDC_CLIENT_ID: /),
      expect.stringMatching(/^OIDC_CLIENT_SECRET: /),
    ]);
    expect(problems({ ...sound(), ...OIDC, OIDC_ISSUER: 'login' })).toEqual([expect.stringMatching(/^OIDC_ISSUER: /)]);
  });

  test('cannot be changed afterwards', () => {
    expect(Object.isFrozen(accepted(sound()))).toBe(true);
  });
});

describe('what is wrong', () => {
  test('is told all at once, by name, with what to write', () => {
    const { SYSTEM_ROOT_TOKEN: _token, BLOB_SIGNING_KEY: _key, ...rest } = sound();
    const told = problems({ ...rest, CLUSTER_ID: 'UPPER', BLOB_SIGNING_TTL: 'a while', VERIFY_READS: 'never' });
    for (const name of ['SYSTEM_ROOT_TOKEN', 'BLOB_SIGNING_KEY', 'CLUSTER_ID', 'BLOB_SIGNING_TTL', 'VERIFY_READS']) {
      expect(told.filter((problem) => problem.startsWith(`${name}: `)).length, name).toBe(1);
    }
  });

  test.each<[string, Record<string, unknown>]>([
    ['an empty root token, which would open everything', { SYSTEM_ROOT_TOKEN: '' }],
    ['a short root token', { SYSTEM_ROOT_TOKEN: 'short' }],
    ['an empty signing key', { BLOB_SIGNING_KEY: '' }],
    ['tables that are not JSON', { VOLUMES: '{' }],
    ['a volume with a name that is no volume UUID', { VOLUMES: { mine: sound().VOLUMES[UUID] } }],
    ['an unknown driver', { VOLUMES: { [UUID]: { Driver: 'Directory' } } }],
    [
      'a misspelt parameter',
      { VOLUMES: { [UUID]: { Driver: 'R2', DriverParameters: { Binding: 'BLOCKS', Prefix: 3 } } } },
    ],
    [
      'an R2 binding that is not there',
      { VOLUMES: { [UUID]: { Driver: 'R2', DriverParameters: { Binding: 'NOPE' } } } },
    ],
    ['S3 without keys', { VOLUMES: { [UUID]: s3({}) } }],
    ['an S3 endpoint with credentials in it', { VOLUMES: { [UUID]: s3({ Endpoint: 'https://a:b@s3.example.org' }) } }],
    [
      'a negative race window',
      { VOLUMES: { [UUID]: { Driver: 'R2', DriverParameters: { Binding: 'BLOCKS', RaceWindow: '-1s' } } } },
    ],
    ['one bucket under two UUIDs', { VOLUMES: { [UUID]: sound().VOLUMES[UUID], [OTHER]: sound().VOLUMES[UUID] } }],
    [
      'a class that is not defined',
      {
        STORAGE_CLASSES: { default: {} },
        VOLUMES: { [UUID]: { ...(sound().VOLUMES[UUID] as object), StorageClasses: { fast: true } } },
      },
    ],
  ])('%s', (_what, change) => {
    expect(problems({ ...sound(), ...change })).not.toEqual([]);
  });

  test('never repeats a value, which may be a secret', () => {
    const told = problems({ ...sound(), SYSTEM_ROOT_TOKEN: 'hunter2!hunter2', BLOB_SIGNING_TTL: 'hunter2' }).join('\n');
    expect(told).not.toContain('hunter2');
  });
});

test('what is missing altogether is named with what to do about it', () => {
  expect(problems({})).toEqual([
    'CLUSTER_ID: missing: five letters or digits',
    'SYSTEM_ROOT_TOKEN: missing: set it with `wrangler secret put`, or in .dev.vars for local runs',
    expect.stringMatching(/^BLOB_SIGNING_KEY: missing: set it with/),
  ]);
  const VOLUMES = { [UUID]: {}, [OTHER]: { Driver: 'R2' } };
  expect(problems({ ...sound(), VOLUMES })).toEqual([
    `VOLUMES.${UUID}.Driver: write "R2" or "S3"`,
    `VOLUMES.${OTHER}.DriverParameters.Binding: missing: the name of an R2 binding`,
  ]);
});

test('the API server and the addresses of hints are origins, whatever way they are written', () => {
  expect(accepted(sound())).toMatchObject({ apiUrl: null, keepHintUrl: 'https://keep.*.arvadosapi.com' });
  expect(accepted({ ...sound(), API_HOST: 'zzzzz.example.org' }).apiUrl).toBe('https://zzzzz.example.org');
  expect(accepted({ ...sound(), API_HOST: 'http://127.0.0.1:8000/' }).apiUrl).toBe('http://127.0.0.1:8000');
  expect(accepted({ ...sound(), KEEP_HINT_URL: '' }).keepHintUrl).toBeNull();
  expect(problems({ ...sound(), API_HOST: 'https://a/b', KEEP_HINT_URL: 'arvadosapi.com' })).toHaveLength(2);
});
