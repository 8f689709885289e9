import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { api, createUser, type TestUser } from '../support/api.ts';
import { type Cli, cliFor } from '../support/cli.ts';
import {
  adopted,
  createProject,
  makePublic,
  operator,
  PUBLIC_GATEWAY,
  R2_GATEWAY,
  S3_GATEWAY,
  s3Gateway,
} from '../support/gateways.ts';
import { blockOf, md5, putBlock, request, sign } from '../support/keep.ts';
import { answering, startKeepServer } from '../support/keep-server.ts';
import { createS3Bucket, type S3Bucket, s3IsRequired, s3Secrets } from '../support/s3.ts';
import { s3Keys, s3Request } from '../support/s3-client.ts';
import { type S3Proxy, startS3Proxy } from '../support/s3-proxy.ts';
import { startService, type TestService } from '../support/service.ts';
import { dataKey } from '../support/volumes.ts';

/** One service that reads an R2 bucket, a private bucket on a real S3 server, and a public one, through gateways. */
const MIB = 1 << 20;
const ZIP = '?accept=application/zip&disposition=attachment';
const PIECE = 64 * MIB;

const bytesOf = (text: string) => new TextEncoder().encode(text);

describe.runIf(s3IsRequired)('data that lies in other buckets', () => {
  let edge: TestService;
  let cli: Cli;
  let project: string;
  let ceph: S3Bucket;
  let open: S3Bucket;
  let proxy: S3Proxy;
  let adopters: string;
  let member: TestUser;

  beforeAll(async () => {
    [ceph, open] = await Promise.all([createS3Bucket(), createS3Bucket()]);
    await makePublic(open);
    proxy = await startS3Proxy(ceph.server);
    const gateways = (AdoptableBy: string[]) => ({
      [R2_GATEWAY]: {
        Name: 'lake',
        Driver: 'R2',
        StorageClass: 'lake',
        DriverParameters: { Binding: 'LAKE', Bucket: 'lake' },
      },
      [S3_GATEWAY]: s3Gateway(proxy.through(ceph), 'ceph', { AdoptableBy }),
      [PUBLIC_GATEWAY]: s3Gateway(open, 'open', {}, { isPublic: true }),
    });
    edge = await startService({
      r2: ['LAKE'],
      vars: {
        ...s3Secrets(ceph),
        EDGE_CACHE: 'off',
        BALANCE_MAX_TRASH_SHARE: 1,
        STORAGE_CLASSES: { default: { Default: true }, lake: {} },
        GATEWAYS: gateways([]),
      },
    });
    const group = { name: 'adopters', group_class: 'role' };
    adopters = (await api(edge, 'groups', { body: { group } })).json.uuid;
    await edge.restart({ GATEWAYS: gateways([adopters]) });
    cli = await cliFor(edge, 'adopter');
    cli.env.ARVADOS_API_TOKEN = edge.rootToken;
    project = await createProject(edge, 'adopted data');
    member = await createUser(edge, 'member');
  });
  afterAll(async () => {
    await edge.stop();
    await cli[Symbol.asyncDispose]();
    await proxy[Symbol.asyncDispose]();
  });
  beforeEach(() => {
    proxy.fault = () => undefined;
    proxy.seen.length = 0;
  });

  const file = (uuid: string, path: string, options: Parameters<typeof request>[1] = {}) =>
    request(`${edge.url}/c=${uuid}/${path.split('/').map(encodeURIComponent).join('/')}`, options);
  const manifestOf = async (uuid: string) => (await api(edge, `collections/${uuid}`)).json.manifest_text as string;
  const adopt = async (...args: string[]) => (await cli.ok('adopt', ...args, '--into', project)).trim();

  test('an R2 bucket becomes a collection that every way in reads, and nothing is written to it', async () => {
    const lake = edge.r2('LAKE');
    const large = randomBytes(11 * MIB);
    await lake.put('run/a.txt', bytesOf('hello a'));
    await lake.put('run/deep/b c.txt', bytesOf('hello b'));
    await lake.put('run/empty', new Uint8Array(0));
    await lake.put('run/./dot', bytesOf('odd dot'));
    await lake.put('run/../dots', bytesOf('odd dots'));
    await lake.putInParts('run/parts.bin', large);
    const before = await lake.list();
    const uuid = await adopt('s3://lake/run');

    expect((await file(uuid, 'a.txt')).text).toBe('hello a');
    expect((await file(uuid, 'deep/b c.txt')).text).toBe('hello b');
    expect((await file(uuid, 'empty')).body.length).toBe(0);
    expect((await file(uuid, '%2E/dot')).text).toBe('odd dot');
    expect((await file(uuid, '%2E%2E/dots')).text).toBe('odd dots');
    expect(md5((await file(uuid, 'parts.bin')).body)).toBe(md5(large));
    const part = await file(uuid, 'parts.bin', { headers: { range: 'bytes=5000000-5000009' } });
    expect([part.status, Buffer.from(part.body)]).toEqual([206, large.subarray(5_000_000, 5_000_010)]);
    const [locator = ''] = /[0-9a-f]{32}\+7\+K@[^ ]+/.exec(await manifestOf(uuid)) ?? [];
    expect(locator).toContain(`+K@${R2_GATEWAY}+A`);
    const block = await request(`${edge.url}/${locator}`);
    expect([block.status, block.text, block.headers.get('keep-edge-status')]).toEqual([
      200,
      'hello a',
      'miss; mount=gateways; attested',
    ]);
    expect((await request(`${edge.url}/${locator}`, { method: 'HEAD' })).headers.get('content-length')).toBe('7');
    // By hash alone, and only with a signature.
    expect((await request(`${edge.url}/${sign(blockOf('hello a').locator)}`)).text).toBe('hello a');
    expect((await request(`${edge.url}/${blockOf('hello a').locator}`)).status).toBe(400);
    const link = { link_class: 'permission', name: 'can_read', tail_uuid: member.uuid, head_uuid: uuid };
    await api(edge, 'links', { body: { link } });
    const keys = await s3Keys(edge, member.token);
    expect((await s3Request(edge, `/${uuid}/deep/b%20c.txt`, { keys })).text).toBe('hello b');
    const ranged = await s3Request(edge, `/${uuid}/parts.bin`, { keys, headers: { range: 'bytes=5000000-5000009' } });
    expect([ranged.status, Buffer.from(ranged.body)]).toEqual([206, large.subarray(5_000_000, 5_000_010)]);
    expect((await request(`${edge.url}/c=${uuid}/${ZIP}`)).text).toContain('hello b');
    await cli.ok('get', uuid, 'copy');
    expect(md5(await readFile(join(cli.home, 'copy/parts.bin')))).toBe(md5(large));
    expect(await lake.list()).toEqual(before);
  });

  test('objects of all shapes in an S3 bucket: what has an MD5 for an ETag is not read, the rest is read once', async () => {
    const large = randomBytes(PIECE + 6 * MIB + 1);
    const odd = ['with space', 'new\nline', 'back\\slash', 'ünï ✓', 'colon:x', 'a//b', 'e/', 'quote\'"&<>'];
    await ceph.put('zoo/small', bytesOf('small'));
    await ceph.put('zoo/empty', new Uint8Array(0));
    await ceph.put('zoo/both', bytesOf('a file'));
    await ceph.put('zoo/both/inner', bytesOf('inside a directory of that name'));
    await ceph.putInParts('zoo/large', large, 8 * MIB);
    for (const name of odd) await ceph.put(`zoo/${name}`, bytesOf(`odd ${name}`));
    const uuid = await adopt(`s3://${ceph.name}/zoo/`);

    const reads = proxy.seen.filter(({ method, url }) => method === 'GET' && !url.includes('list-type'));
    expect(reads.map(({ headers }) => headers.range)).toEqual([
      `bytes=0-${PIECE - 1}`,
      `bytes=${PIECE}-${large.length - 1}`,
    ]);
    expect((await file(uuid, 'small')).text).toBe('small');
    expect((await file(uuid, 'both/inner')).text).toBe('inside a directory of that name');
    expect((await file(uuid, 'both.object')).text).toBe('a file');
    expect(md5((await file(uuid, 'large')).body)).toBe(md5(large));
    const across = await file(uuid, 'large', { headers: { range: `bytes=${PIECE - 3}-${PIECE + 2}` } });
    expect(Buffer.from(across.body)).toEqual(large.subarray(PIECE - 3, PIECE + 3));
    const paths: Record<string, string> = { 'a//b': 'a/%2F/b', 'e/': 'e/%2F' };
    for (const name of odd) expect((await file(uuid, paths[name] ?? name)).text).toBe(`odd ${name}`);
    expect(new Set(proxy.seen.map(({ method }) => method))).toEqual(new Set(['GET', 'HEAD']));
    // Reads are conditional: another object under the key is never sent.
    const ranged = proxy.seen.filter(({ headers }) => headers.range !== undefined);
    expect(ranged.every(({ headers }) => headers['if-match'] !== undefined)).toBe(true);
  });

  test.each([
    { 'x-amz-server-side-encryption': 'aws:kms' },
    { 'x-amz-server-side-encryption-customer-algorithm': 'AES256' },
  ])('an ETag of an object that is encrypted with a key of its own is no MD5: it is read, %j', async (addHeaders) => {
    const key = `keys/${Object.keys(addHeaders)}/x`;
    await ceph.put(key, bytesOf(`encrypted ${key}`));
    proxy.fault = ({ method, url }) => (method === 'HEAD' && url.includes(key) ? { addHeaders } : undefined);
    const uuid = await adopt(`s3://${ceph.name}/keys`);
    const reads = proxy.seen.filter(({ method, url }) => method === 'GET' && url.includes(key));
    expect(reads.map(({ headers }) => headers.range)).toEqual([`bytes=0-${10 + key.length - 1}`]);
    expect((await file(uuid, key.slice(5))).text).toBe(`encrypted ${key}`);
  });

  test('an object that changes between listing and hashing is left out and told, and taken the next time', async () => {
    const source = `s3://${ceph.name}/moment`;
    for (const name of ['changes', 'stays']) await ceph.put(`moment/${name}`, bytesOf(`first ${name}`));
    let isOver = false;
    proxy.fault = ({ method, url }) => {
      if (isOver || method !== 'HEAD' || !url.endsWith('/moment/changes')) return undefined;
      isOver = true;
      return { after: ceph.put('moment/changes', bytesOf('other bytes')) };
    };
    const { code, stdout, stderr } = await cli.run('adopt', source, '--into', project);
    expect([code, stderr]).toEqual([
      1,
      expect.stringContaining('Left out: moment/changes: it was overwritten while it was adopted'),
    ]);
    const uuid = stdout.trim();
    expect((await file(uuid, 'changes')).status).toBe(404);
    expect((await file(uuid, 'stays')).text).toBe('first stays');
    expect(await adopt(source)).toBe(uuid);
    expect((await file(uuid, 'changes')).text).toBe('other bytes');
  });

  test('a public bucket is read without keys', async () => {
    await open.put('data/x', bytesOf('open to all'));
    const uuid = await adopt(`s3://${open.name}/data`, '--name', 'public data');
    expect((await file(uuid, 'x')).text).toBe('open to all');
    expect((await api(edge, `collections/${uuid}`)).json.name).toBe('public data');
  });

  test('run again it takes what is new and changed, and makes a new version of the same collection', async () => {
    for (const name of ['stays', 'changes', 'goes']) await ceph.put(`again/${name}`, bytesOf(`first ${name}`));
    const source = `s3://${ceph.name}/again`;
    const uuid = await adopt(source);
    const first = (await api(edge, `collections/${uuid}`)).json.portable_data_hash;
    const heads = () => proxy.seen.filter(({ method }) => method === 'HEAD').map(({ url }) => url.split('/').at(-1));
    expect(heads().sort()).toEqual(['changes', 'goes', 'stays']);
    proxy.seen.length = 0;
    expect(await adopt(source)).toBe(uuid);
    expect((await api(edge, `collections/${uuid}`)).json.portable_data_hash).toBe(first);
    expect(heads()).toEqual([]);

    await ceph.put('again/changes', bytesOf('second changes'));
    await ceph.put('again/comes', bytesOf('new'));
    await ceph.delete('again/goes');
    const check = await cli.run('adopt', source, '--check');
    expect(check.code).toBe(1);
    expect(check.stdout).toContain('1 object as adopted, 1 changed, 1 gone, 1 not adopted');
    expect(check.stdout).toContain('again/changes: overwritten since it was adopted: it had 13 bytes and has 14');
    expect(check.stdout).toContain('again/goes: deleted since it was adopted');
    proxy.seen.length = 0;
    expect(await adopt(source)).toBe(uuid);
    expect(heads().sort()).toEqual(['changes', 'comes']);
    expect((await file(uuid, 'changes')).text).toBe('second changes');
    expect((await file(uuid, 'comes')).text).toBe('new');
    expect((await file(uuid, 'goes')).status).toBe(404);
    expect((await cli.run('adopt', source, '--check')).code).toBe(0);
  });

  test('a dry run tells what it would cost, and registers nothing', async () => {
    await ceph.putInParts('plan/large', randomBytes(6 * MIB));
    await ceph.put('plan/small', bytesOf('planned'));
    const { stdout } = await cli.run('adopt', `s3://${ceph.name}/plan`, '--dry-run');
    expect(stdout).toContain('2 objects, 6.0 MiB');
    expect(stdout).toContain('to read and hash            6.0 MiB; 1 object by ETag');
    expect(proxy.seen.filter(({ url }) => url.includes('/plan/'))).toEqual([]);
    expect((await request(`${edge.url}/${sign(blockOf('planned').locator)}`)).status).toBe(404);
  });

  test('an object that changed or is gone is an error that says so, and names the bucket to admins only', async () => {
    await ceph.put('broken/changed', bytesOf('before'));
    await ceph.put('broken/gone', bytesOf('was here'));
    const uuid = await adopt(`s3://${ceph.name}/broken`);
    await ceph.put('broken/changed', bytesOf('after!'));
    await ceph.delete('broken/gone');
    const token = member.token;
    const link = { link_class: 'permission', name: 'can_read', tail_uuid: member.uuid, head_uuid: project };
    await api(edge, 'links', { body: { link } });
    for (const [name, block, why] of [
      ['changed', blockOf('before'), 'the object was overwritten after it was adopted'],
      ['gone', blockOf('was here'), 'the object was deleted after it was adopted'],
    ] as const) {
      for (const answer of [
        await request(`${edge.url}/${sign(block.locator, { token })}`, { token }),
        await file(uuid, name, { token }),
      ]) {
        expect([answer.status, answer.text]).toEqual([502, expect.stringContaining(why)]);
        expect(answer.text).not.toContain(ceph.name);
        expect(answer.text).not.toContain('broken/');
      }
      const s3 = await s3Request(edge, `/${uuid}/${name}`, { keys: await s3Keys(edge, token) });
      expect([s3.status, s3.text]).toEqual([502, expect.stringContaining(why)]);
      expect(s3.text).not.toContain(ceph.name);
      const zip = await request(`${edge.url}/c=${uuid}/${ZIP}`, { token }).catch((error: unknown) => error);
      // Nothing, or an archive that breaks off.
      expect(zip instanceof Error || (zip as { status: number }).status).not.toBe(200);
      const seen = await request(`${edge.url}/${sign(block.locator)}`);
      expect(seen.text).toContain(`s3://${ceph.name}/broken/${name}`);
    }
    const { json } = await operator(edge, 'gateways');
    const { marks } = json.items.find(({ uuid: id }: { uuid: string }) => id === S3_GATEWAY);
    expect(marks.map(({ key }: { key: string }) => key).sort()).toEqual(['broken/changed', 'broken/gone']);
    expect((await cli.run('doctor', '--no-write')).stdout).toContain('broken/changed');
    // Who may not adopt sees no gateway.
    expect((await operator(edge, 'gateways', { token })).json).toEqual({ items: [] });
    // As it was: the mark goes.
    await ceph.put('broken/changed', bytesOf('before'));
    expect((await file(uuid, 'changed')).text).toBe('before');
  });

  test('a block with several places is read from the next one when the first has changed', async () => {
    await ceph.put('twice/one', bytesOf('the same bytes'));
    await ceph.put('twice/two', bytesOf('the same bytes'));
    const uuid = await adopt(`s3://${ceph.name}/twice`);
    for (const gone of ['one', 'two']) {
      const other = gone === 'one' ? 'two' : 'one';
      await ceph.delete(`twice/${gone}`);
      expect((await file(uuid, other)).text).toBe('the same bytes');
      await ceph.put(`twice/${gone}`, bytesOf('the same bytes'));
    }
  });

  test('only admins and members of a group in AdoptableBy may adopt; what they get is signed for them', async () => {
    await ceph.put('shared/x', bytesOf('for the group'));
    const source = `s3://${ceph.name}/shared`;
    const refused = await operator(edge, 'adoptions', { method: 'POST', body: { source }, token: member.token });
    expect([refused.status, refused.text]).toEqual([403, expect.stringContaining('you may not adopt')]);
    const link = { link_class: 'permission', name: 'can_write', tail_uuid: member.uuid, head_uuid: adopters };
    await api(edge, 'links', { body: { link } });
    const own = await cliFor(edge, 'second');
    own.env.ARVADOS_API_TOKEN = member.token;
    const uuid = (await own.ok('adopt', source, '--into', member.uuid)).trim();
    expect(await own.ok('cat', `${uuid}/x`)).toBe('for the group');
    const lake = await operator(edge, 'adoptions', {
      method: 'POST',
      body: { source: 's3://lake/run' },
      token: member.token,
    });
    expect(lake.status).toBe(403);
    const asClient = await operator(edge, 'adoptions', {
      method: 'POST',
      body: { source, hashing: 'client' },
      token: member.token,
    });
    expect(asClient.status).toBe(403);
    const id = md5(`${S3_GATEWAY}\nshared`);
    const stranger = await createUser(edge, 'stranger');
    expect((await operator(edge, `adoptions/${id}`, { token: stranger.token })).status).toBe(404);
    await own[Symbol.asyncDispose]();
  });

  test('adopted and stored blocks may be mixed in one collection', async () => {
    await ceph.put('mix/adopted', bytesOf('from the bucket'));
    const uuid = await adopt(`s3://${ceph.name}/mix`);
    const { portable_data_hash: pdh } = (await api(edge, `collections/${uuid}`)).json;
    const stored = await putBlock(edge.url, blockOf('from Keep'));
    const made = await api(edge, 'collections', {
      body: { collection: { name: 'mixed', owner_uuid: project, manifest_text: `. ${stored} 0:9:stored\n` } },
    });
    await api(edge, `collections/${made.json.uuid}`, {
      method: 'PUT',
      body: { collection: {}, replace_files: { '/adopted': `${pdh}/adopted` } },
    });
    expect((await file(made.json.uuid, 'adopted')).text).toBe('from the bucket');
    expect((await file(made.json.uuid, 'stored')).text).toBe('from Keep');
    expect(await manifestOf(made.json.uuid)).toContain(`+K@${S3_GATEWAY}`);
    // A file tree is remembered by content: one whose locators have no hints is read all the same.
    const bare = (await manifestOf(uuid)).replace(/\+K@[^+]+/g, '');
    const without = await api(edge, 'collections', { body: { collection: { name: 'bare', manifest_text: bare } } });
    expect((await file(without.json.uuid, 'adopted')).text).toBe('from the bucket');
  });

  test('the balancer takes adopted blocks for what they are: neither lost nor to be trashed or copied', async () => {
    await ceph.put('kept/x', bytesOf('not to be lost'));
    await adopt(`s3://${ceph.name}/kept`);
    const { json: started } = await operator(edge, 'balance/run', { method: 'POST' });
    const run = await ended(started.id);
    expect(run.counts).toMatchObject({ lost_blocks: 0, trash_copies: 0, pull_copies: 0 });
    const block = blockOf('not to be lost');
    const { json } = await operator(edge, `balance/explain/${block.locator}`);
    expect(json.copies).toMatchObject([{ mount: S3_GATEWAY.replace('bi6l4', 'nyw5e') }]);
    const { text } = await request(`${edge.url}/mounts/${S3_GATEWAY.replace('bi6l4', 'nyw5e')}/blocks`);
    expect(text).toContain(`${block.locator} `);
    expect(text.endsWith('\n\n')).toBe(true);
    const trash = [{ locator: block.locator, block_mtime: 1, mount_uuid: S3_GATEWAY.replace('bi6l4', 'nyw5e') }];
    await request(`${edge.url}/trash`, { method: 'PUT', body: JSON.stringify(trash) });
    expect((await request(`${edge.url}/${sign(block.locator)}`)).text).toBe('not to be lost');
  });

  test('a collection that asks for a class of the volumes gets its adopted blocks copied there', async () => {
    const moved = blockOf('moved by its storage class');
    await edge.r2('LAKE').put('class/x', moved.data);
    const uuid = await adopt('s3://lake/class');
    await api(edge, `collections/${uuid}`, {
      method: 'PUT',
      body: { collection: { storage_classes_desired: ['default'] } },
    });
    const { json: started } = await operator(edge, 'balance/run', { method: 'POST' });
    expect((await ended(started.id)).counts).toMatchObject({ lost_blocks: 0, pull_copies: 1 });
    while ((await edge.r2('BLOCKS').get(dataKey(moved.hash))) === null) await new Promise((r) => setTimeout(r, 50));
    await edge.r2('LAKE').delete('class/x');
    expect((await file(uuid, 'x')).text).toBe('moved by its storage class');
  });

  const ended = async (id: number) => {
    for (;;) {
      const { json } = await operator(edge, 'balance');
      const run = json.runs.find((one: { id: number }) => one.id === id);
      if (run.phase === 'done' || run.phase === 'failed') return run;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  };

  test('--copy brings the blocks into a volume, after which the bucket is no longer needed', async () => {
    const large = randomBytes(5 * MIB + 3);
    await ceph.put('moving/small', bytesOf('moves in'));
    await ceph.putInParts('moving/large', large);
    const source = `s3://${ceph.name}/moving`;
    const uuid = await adopt(source);
    const before = (await api(edge, `collections/${uuid}`)).json.portable_data_hash;
    expect(await adopt(source, '--copy')).toBe(uuid);
    const { json } = await api(edge, `collections/${uuid}`);
    expect(json.portable_data_hash).toBe(before);
    expect(json.manifest_text).not.toContain('+K@');
    await ceph.delete('moving/small');
    await ceph.delete('moving/large');
    expect((await file(uuid, 'small')).text).toBe('moves in');
    expect(md5((await file(uuid, 'large')).body)).toBe(md5(large));
  });

  test('an adoption goes on where it was when the service is killed in the middle', async () => {
    const names = Array.from({ length: 30 }, (_, i) => `killed/${String(i).padStart(2, '0')}`);
    for (const name of names) await ceph.putInParts(name, bytesOf(name), 5 * MIB);
    let reads = 0;
    proxy.fault = ({ method, url }) =>
      method === 'GET' && url.includes('/killed/') && ++reads > 10 ? { stallMs: 600_000, hangsUp: true } : undefined;
    const source = `s3://${ceph.name}/killed`;
    const { json: begun } = await operator(edge, 'adoptions', { method: 'POST', body: { source } });
    while (reads < 11) await new Promise((resolve) => setTimeout(resolve, 20));
    await edge.kill();
    proxy.fault = () => undefined;
    await edge.restart();
    const done = await adopted(edge, { source });
    expect([done.id, done.phase, done.counts.objects, done.problems]).toEqual([begun.id, 'done', 30, []]);
    const uuid = await adopt(source);
    for (const name of names) expect((await file(uuid, name.slice(7))).text).toBe(name);
  });

  test('what is cancelled stops and can be begun again; nothing under way is nothing to cancel', async () => {
    const source = `s3://${ceph.name}/stopped`;
    for (const name of ['a', 'b']) await ceph.putInParts(`stopped/${name}`, bytesOf(name), 5 * MIB);
    const nothing = await cli.run('adopt', source, '--cancel');
    expect([nothing.code, nothing.stderr]).toEqual([1, expect.stringContaining(`nothing is under way for ${source}`)]);
    expect(proxy.seen.filter(({ url }) => url.includes('stopped')).map(({ method }) => method)).not.toContain('GET');
    proxy.fault = ({ method, url }) =>
      method === 'GET' && url.includes('/stopped/') ? { stallMs: 3000, hangsUp: true } : undefined;
    await operator(edge, 'adoptions', { method: 'POST', body: { source } });
    expect(await cli.ok('adopt', source, '--cancel')).toContain('cancelled');
    proxy.fault = () => undefined;
    const uuid = await adopt(source);
    expect((await file(uuid, 'b')).text).toBe('b');
  });

  test('hashes from a machine beside the data are as good, and the service reads nothing', async () => {
    const data = randomBytes(6 * MIB);
    await ceph.putInParts('beside/data', data);
    await ceph.put('beside/small', bytesOf('small beside'));
    Object.assign(cli.env, {
      AWS_ACCESS_KEY_ID: ceph.server.accessKeyId,
      AWS_SECRET_ACCESS_KEY: ceph.server.secretAccessKey,
    });
    const uuid = await adopt(`s3://${ceph.name}/beside`, '--hash-here');
    const fromService = proxy.seen.filter(
      ({ url, headers }) => url.includes('/beside/') && headers['user-agent'] !== 'node',
    );
    expect(fromService).toEqual([]);
    expect(md5((await file(uuid, 'data')).body)).toBe(md5(data));
    expect((await file(uuid, 'small')).text).toBe('small beside');
  });

  test('a bucket that fails in the middle never gives a whole answer, and is asked for again later', async () => {
    const data = randomBytes(MIB);
    await ceph.put('faults/x', data);
    const uuid = await adopt(`s3://${ceph.name}/faults`);
    proxy.fault = ({ method, headers }) =>
      method === 'GET' && headers.range !== undefined ? { cutAnswerAfter: 1000 } : undefined;
    const cut = await file(uuid, 'x').catch((error: unknown) => error);
    expect(cut instanceof Error || (cut as { status: number }).status >= 500).toBe(true);
    proxy.fault = ({ method }) => (method === 'GET' ? { status: 500 } : undefined);
    expect((await file(uuid, 'x')).status).toBe(503);
    // A server that ignores the condition: its ETag tells.
    proxy.fault = ({ method, headers }) =>
      method === 'GET' && headers.range !== undefined
        ? { lieAfterwards: { status: 206, body: new Uint8Array(MIB), headers: { etag: '"another"' } } }
        : undefined;
    expect((await file(uuid, 'x')).status).toBe(502);
    proxy.fault = () => undefined;
    expect(md5((await file(uuid, 'x')).body)).toBe(md5(data));
  });
});

test('beside keepstores, without volumes, adopted blocks are read here and others there', async () => {
  await using cluster = await startKeepServer(answering(404));
  await using edge = await startService({
    r2: ['LAKE'],
    vars: {
      API_HOST: cluster.url,
      VOLUMES: {},
      GATEWAYS: { [R2_GATEWAY]: { Name: 'lake', Driver: 'R2', DriverParameters: { Binding: 'LAKE', Bucket: 'lake' } } },
    },
  });
  const block = blockOf('read through the proxy');
  await edge.r2('LAKE').put('proxied/x', block.data);
  expect(await adopted(edge, { source: 's3://lake/proxied' })).toMatchObject({ phase: 'done' });
  const read = await request(`${edge.url}/${sign(`${block.locator}+K@${R2_GATEWAY}`)}`);
  expect([read.status, read.text]).toEqual([200, 'read through the proxy']);
  const head = await request(`${edge.url}/${sign(block.locator)}`, { method: 'HEAD' });
  expect([head.status, head.headers.get('content-length')]).toEqual([200, String(block.data.length)]);
  // Without a good signature it is the keepstores' to refuse.
  expect((await request(`${edge.url}/${block.locator}`)).status).not.toBe(200);
});
