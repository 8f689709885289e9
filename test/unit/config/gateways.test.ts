import { describe, expect, test } from 'vitest';
import { parseGateways } from '../../../src/config/gateways.ts';

const UUID = 'xtest-bi6l4-archive00000000';
const OTHER = 'xtest-bi6l4-other0000000000';
const bindings = { PLACES: {}, ADOPTION: {}, LAKE: {} };
const r2 = (fields: object = {}) => ({ Name: 'lake', Driver: 'R2', DriverParameters: { Binding: 'LAKE' }, ...fields });
const s3 = (parameters: object, fields: object = {}) => ({
  Name: 'archive',
  Driver: 'S3',
  DriverParameters: { Bucket: 'archive', ...parameters },
  ...fields,
});

function parse(table: unknown, env: Record<string, unknown> = bindings) {
  const problems: string[] = [];
  return { gateways: parseGateways(table, env, 'xtest', problems), problems };
}

describe('GATEWAYS', () => {
  test('an R2 binding is enough; the rest has defaults', () => {
    expect(parse({ [UUID]: r2() })).toEqual({
      problems: [],
      gateways: [
        {
          uuid: UUID,
          name: 'lake',
          driver: { kind: 'R2', binding: 'LAKE', endpoint: '', bucket: '' },
          prefix: '',
          storageClass: 'default',
          replication: 2,
          adoptableBy: [],
          etagIsMd5: true,
          verifyReads: 'attested',
        },
      ],
    });
  });

  test('an S3 bucket without named keys is a public one', () => {
    const { gateways, problems } = parse({ [UUID]: s3({}) });
    expect(problems).toEqual([]);
    expect(gateways[0]?.driver).toMatchObject({ accessKeyId: '', secretAccessKey: '' });
  });

  test('keys come from the secrets that are named', () => {
    const named = { AccessKeyIDSecret: 'ID', SecretAccessKeySecret: 'KEY' };
    const { gateways } = parse({ [UUID]: s3(named) }, { ...bindings, ID: 'id', KEY: 'key' });
    expect(gateways[0]?.driver).toMatchObject({ accessKeyId: 'id', secretAccessKey: 'key' });
  });

  test.each([
    ['a name that is no UUID of a service', { 'xtest-nyw5e-000000000000000': r2() }, 'not the UUID of a Keep service'],
    ['a UUID of another cluster', { 'zzzzz-bi6l4-archive00000000': r2() }, "another cluster's id"],
    ['no name', { [UUID]: r2({ Name: undefined }) }, 'Name: missing'],
    ['an unknown binding', { [UUID]: r2({ DriverParameters: { Binding: 'NONE' } }) }, 'add an [[r2_buckets]]'],
    ['one key of two', { [UUID]: s3({ AccessKeyIDSecret: 'ID' }) }, 'name both secrets, or neither'],
    [
      'a secret that is not set',
      { [UUID]: s3({ AccessKeyIDSecret: 'ID', SecretAccessKeySecret: 'KEY' }) },
      'ID: missing',
    ],
    ['a prefix with a slash before it', { [UUID]: s3({ Prefix: '/data' }) }, 'no slash at their start'],
    ['groups that are no UUIDs', { [UUID]: r2({ AdoptableBy: ['people'] }) }, 'UUIDs of groups'],
    ['an unknown key', { [UUID]: r2({ ReadOnly: true }) }, 'ReadOnly'],
    ['no table', 'text', 'write one TOML table per gateway'],
  ])('%s is told', (_, table, problem) => {
    expect(parse(table).problems.join('\n')).toContain(problem);
  });

  test('the Durable Objects must be bound', () => {
    expect(parse({ [OTHER]: r2() }, { LAKE: {} }).problems).toEqual([
      expect.stringContaining('PLACES: missing'),
      expect.stringContaining('ADOPTION: missing'),
    ]);
  });
});
