import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { parse } from 'smol-toml';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { api, createUser } from '../support/api.ts';
import { type Cli, cliFor, outputOf } from '../support/cli.ts';
import { adopted, createProject, operator, R2_GATEWAY, S3_GATEWAY, s3Gateway } from '../support/gateways.ts';
import { blockOf, request, sign } from '../support/keep.ts';
import { createS3Bucket, type S3Bucket, s3IsRequired, s3Secrets, s3Server } from '../support/s3.ts';
import { startService, type TestService } from '../support/service.ts';

/** Sources that are empty, refused, not there or not what was meant; keys at the limits; gateways that come and go. */
const LOCKED = 'xedge-bi6l4-locked000000000';
const MISSING = 'xedge-bi6l4-missing00000000';
const BELOW = 'xedge-bi6l4-below0000000000';

/** The page that tells how: its example of a gateway, and its commands. */
const PAGE = readFileSync('docs/gateways.md', 'utf8');
const snippets = (language: string) =>
  [...PAGE.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, 'gms'))].map(([, text = '']) => text);
const [EXAMPLE = ''] = snippets('toml');
const COMMANDS = snippets('sh').join('');

const bytesOf = (text: string) => new TextEncoder().encode(text);

describe.runIf(s3IsRequired)('odd sources', () => {
  let edge: TestService;
  let cli: Cli;
  let project: string;
  let ceph: S3Bucket;
  let archive: S3Bucket;
  let gateways: Record<string, unknown>;

  beforeAll(async () => {
    ceph = await createS3Bucket();
    const wrongKeys = { AccessKeyIDSecret: 'S3_ACCESS_KEY_ID', SecretAccessKeySecret: 'WRONG_SECRET' };
    const locked = s3Gateway({ ...ceph, name: 'locked' }, 'locked', {}, wrongKeys);
    gateways = {
      [S3_GATEWAY]: s3Gateway(ceph, 'ceph'),
      [BELOW]: s3Gateway(ceph, 'below', {}, { Prefix: 'public/' }),
      [LOCKED]: locked,
      [MISSING]: s3Gateway({ ...ceph, name: 'no-such-bucket' }, 'missing'),
      [R2_GATEWAY]: { Name: 'lake', Driver: 'R2', DriverParameters: { Binding: 'LAKE', Bucket: 'lake' } },
    };
    archive = await createS3Bucket(s3Server(), 'lab-archive');
    const example = (parse(EXAMPLE) as { vars: { GATEWAYS: Record<string, Record<string, unknown>> } }).vars.GATEWAYS;
    const { endpoint: Endpoint, region: Region, accessKeyId, secretAccessKey } = ceph.server;
    for (const [uuid, entry] of Object.entries(example)) {
      const here = { Endpoint, Region, UsePathStyle: true };
      gateways[uuid] = { ...entry, DriverParameters: { ...(entry.DriverParameters as object), ...here } };
    }
    const secrets = { ...s3Secrets(ceph), ARCHIVE_KEY_ID: accessKeyId, ARCHIVE_SECRET_KEY: secretAccessKey };
    edge = await startService({
      r2: ['LAKE'],
      vars: { ...secrets, WRONG_SECRET: 'wrong', EDGE_CACHE: 'off', GATEWAYS: gateways },
    });
    cli = await cliFor(edge, 'adopter');
    cli.env.ARVADOS_API_TOKEN = edge.rootToken;
    project = await createProject(edge, 'odd');
  });
  afterAll(async () => {
    await edge.stop();
    await cli[Symbol.asyncDispose]();
  });

  const adopt = (...args: string[]) => cli.run('adopt', ...args, '--into', project);
  const manifestOf = async (uuid: string) =>
    ((await api(edge, `collections/${uuid}`)).json.manifest_text as string).replace(/\+[AK][^ ]+/g, '');
  const file = (uuid: string, path: string) =>
    request(`${edge.url}/c=${uuid}/${path.split('/').map(encodeURIComponent).join('/')}`);

  test('the commands of the page run as they stand there, with its example of a gateway', async () => {
    const large = new Uint8Array(6 << 20).fill(7);
    await archive.put('run42/small', bytesOf('small'));
    await archive.putInParts('run42/large', large);
    const { accessKeyId, secretAccessKey } = ceph.server;
    const commands = COMMANDS.replaceAll('zzzzz-j7d0g-0123456789abcde', project)
      .replace('KEY_ID=...', `KEY_ID=${accessKeyId}`)
      .replace('ACCESS_KEY=...', `ACCESS_KEY=${secretAccessKey}`);
    expect(COMMANDS.match(/^keep-edge adopt/gm)).toHaveLength(3);
    const quoted = cli.command.map((word) => `'${word}'`).join(' ');
    const script = `set -e\nkeep-edge() { ${quoted} "$@"; }\n${commands}`;
    const { code, stdout, stderr } = await outputOf(spawn('bash', ['-c', script], { env: cli.env, cwd: cli.home }));
    expect([code, stdout], stderr).toEqual([0, expect.stringContaining('2 objects, 6.0 MiB')]);
    const uuid = stdout.trim().split('\n').at(-1) ?? '';
    expect((await file(uuid, 'small')).text).toBe('small');
    expect(Buffer.from((await file(uuid, 'large')).body).equals(large)).toBe(true);
  });

  test.each([
    ['wrong secrets', 's3://locked/x', /cannot be read: S3 GET: 403 .*Check the gateway's secrets/],
    ['a bucket that is not there', 's3://no-such-bucket/x', /404 NoSuchBucket.*there is no such bucket/],
  ])('%s end the adoption at once, with a sentence that says what to do', async (_, source, message) => {
    const { code, stdout, stderr } = await adopt(source);
    expect([code, stdout, stderr]).toEqual([1, '', expect.stringMatching(message)]);
  });

  test('nothing below the prefix is a mistake, not an empty collection', async () => {
    for (const source of ['s3://lake', `s3://${ceph.name}/no/such/prefix`]) {
      const { code, stderr } = await adopt(source);
      expect([code, stderr]).toEqual([1, expect.stringContaining('There are no objects below')]);
    }
    expect((await cli.run('adopt', 's3://lake', '--dry-run')).stdout).toContain('0 objects, 0 B');
    const filters = JSON.stringify([
      ['owner_uuid', '=', project],
      ['name', 'in', ['prefix', 'lake']],
    ]);
    expect((await api(edge, 'collections', { query: { filters } })).json.items).toEqual([]);
  });

  test('a prefix is a whole name, with a star the beginning of names', async () => {
    const lake = edge.r2('LAKE');
    for (const key of ['run1', 'run1/a', 'run1//b', 'run10/c', 'run.txt']) await lake.put(`s/${key}`, bytesOf(key));
    const one = (await adopt('s3://lake/s/run1')).stdout.trim();
    expect((await file(one, 'a')).text).toBe('run1/a');
    expect((await file(one, '%2F/b')).text).toBe('run1//b');
    expect((await file(one, 'run1')).text).toBe('run1');
    expect(await manifestOf(one)).not.toMatch(/run10|txt/);
    const all = (await adopt('s3://lake/s/run*')).stdout.trim();
    for (const [path, text] of Object.entries({ 'run1/a': 'run1/a', 'run10/c': 'run10/c', 'run1.object': 'run1' }))
      expect((await file(all, path)).text).toBe(text);
  });

  test('a gateway with a prefix gives only what is below it', async () => {
    await ceph.put('public/x', bytesOf('may be taken'));
    await ceph.put('secret/x', bytesOf('may not'));
    const uuid = (await adopt(`s3://${ceph.name}/public`, '--gateway', 'below')).stdout.trim();
    expect((await file(uuid, 'x')).text).toBe('may be taken');
    for (const source of [`s3://${ceph.name}`, `s3://${ceph.name}/secret`, `s3://${ceph.name}/publicity`]) {
      const { code, stderr } = await adopt(source, '--gateway', 'below');
      expect([code, stderr]).toEqual([1, expect.stringContaining(`below s3://${ceph.name}/public/ can be adopted`)]);
    }
    const both = await adopt(`s3://${ceph.name}/public/`);
    expect(both.stderr).toContain('name one of below, ceph');
  });

  test('keys at the limits of what a key may be are read back as they are', async () => {
    const longest = `${'d'.repeat(250)}/${'ü'.repeat(380)}`.padEnd(1024 - 380 - 5, 'x');
    const keys = ['/slash first', '//two', 'end/', 'A', 'a', 'é', 'e\u0301', 'tab\tnew\nline', '%2F', '+ &?#', longest];
    for (const key of keys) await ceph.put(`k/${key}`, bytesOf(`content of ${key}`));
    const uuid = (await adopt(`s3://${ceph.name}/k/`)).stdout.trim();
    const paths: Record<string, string> = {
      '/slash first': '%2F/slash first',
      '//two': '%2F/%2F/two',
      'end/': 'end/%2F',
      // A directory has this name: that of the first slash.
      '%2F': '%2F.object',
    };
    for (const key of keys) expect((await file(uuid, paths[key] ?? key)).text).toBe(`content of ${key}`);
  });

  test('what an adoption was saved as counts only where it lies', async () => {
    await ceph.put('moved/x', bytesOf('x'));
    const source = `s3://${ceph.name}/moved`;
    const uuid = (await adopt(source)).stdout.trim();
    const { uuid: other } = await createUser(edge, 'other');
    await api(edge, `collections/${uuid}`, { method: 'PUT', body: { collection: { owner_uuid: other } } });
    expect((await adopt(source)).stdout.trim()).not.toBe(uuid);
    const { json } = await operator(edge, 'gateways');
    expect(json.items.find((item: { uuid: string }) => item.uuid === S3_GATEWAY).marked).toBe(0);
  });

  test('two gateways over one bucket are two places of a block: one that is removed leaves the other', async () => {
    await ceph.put('public/twice', bytesOf('behind two gateways'));
    const [one, two] = await Promise.all(
      ['below', 'ceph'].map((gateway) => adopted(edge, { source: `s3://${ceph.name}/public/`, gateway })),
    );
    expect([one.phase, two.phase]).toEqual(['done', 'done']);
    await ceph.put('only/x', bytesOf('behind one gateway'));
    const uuid = (await adopt(`s3://${ceph.name}/only`)).stdout.trim();
    const { [S3_GATEWAY]: _, ...others } = gateways;
    await edge.restart({ GATEWAYS: others });
    const locator = (text: string) => sign(`${blockOf(text).locator}+K@${S3_GATEWAY}`);
    expect((await request(`${edge.url}/${locator('behind two gateways')}`)).text).toBe('behind two gateways');
    for (const answer of [await request(`${edge.url}/${locator('behind one gateway')}`), await file(uuid, 'x')])
      expect([answer.status, answer.text]).toEqual([502, expect.stringContaining('no longer configured')]);
  });
});
