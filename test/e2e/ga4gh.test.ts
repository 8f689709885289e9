import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BamFile } from '@gmod/bam';
import { RemoteFile } from 'generic-filehandle2';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { api, createUser, type Json, type TestUser } from '../support/api.ts';
import { startBrowser } from '../support/browser.ts';
import { cliFor } from '../support/cli.ts';
import { stored } from '../support/collections.ts';
import { bearer, blockOf, md5, putBlock, request } from '../support/keep.ts';
import { startService, type TestService } from '../support/service.ts';
import { hasTool } from '../support/tools.ts';

const VECTORS = join(import.meta.dirname, '../vectors/genomics');
const FILES = ['reads.bam', 'reads.bam.bai', 'reads.cram', 'reads.cram.crai', 'variants.vcf.gz', 'variants.vcf.gz.tbi'];
const MORE = ['variants.bcf', 'variants.bcf.csi'];
const PUBLIC = 'xedge-j7d0g-anonymouspublic';

let service: TestService;
let directory: string;
let ann: TestUser;
let bob: TestUser;
let collection: Json;
/** The id of the collection as a bundle. */
let root: string;

beforeAll(async () => {
  service = await startService({ vars: { TOKEN_CACHE_TTL: '0s', WEBDAV_CACHE_TTL: '0s' } });
  directory = await mkdtemp(join(tmpdir(), 'keep-edge-ga4gh-'));
  [ann, bob] = [await createUser(service, 'ann'), await createUser(service, 'bob')];
  const files = [...FILES, ...MORE].map((name) => ({ name, block: blockOf(readFileSync(join(VECTORS, name))) }));
  const notes = blockOf('some notes');
  await stored(service, notes, ...files.map(({ block }) => block));
  const lines = files.map(({ name, block }) => `./data ${block.locator} 0:${block.data.length}:${name}\n`);
  // Two blocks for one file, so that its MD5 is not the name of a block.
  const manifest = `. ${notes.locator} ${notes.locator} 0:10:notes.txt 0:20:twice 0:10:odd\\040näme.txt\n./aaa ${notes.locator} 0:10:t=x\n${lines.join('')}`;
  const made = await api(service, 'collections', {
    body: { collection: { name: 'genomes', owner_uuid: ann.uuid, manifest_text: manifest } },
  });
  collection = made.json;
  root = collection.portable_data_hash.replace('+', '-');
});
afterAll(async () => {
  await service?.stop();
  await rm(directory, { recursive: true, force: true });
});

const drs = async (
  path: string,
  { token, ...options }: { token?: string | null; body?: unknown; method?: string } = {},
) => {
  const { method = options.body === undefined ? 'GET' : 'POST', body } = options;
  const answer = await request(`${service.url}/ga4gh/drs/v1${path}`, {
    method,
    token: token === undefined ? ann.token : token,
    ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
  });
  return { ...answer, json: answer.text === '' ? null : (JSON.parse(answer.text) as Json) };
};
const htsget = async (path: string, { token, body }: { token?: string | null; body?: unknown } = {}) => {
  const answer = await request(`${service.url}/ga4gh/htsget/v1/${path}`, {
    token: token === undefined ? ann.token : token,
    ...(body === undefined
      ? {}
      : { method: 'POST', body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
  });
  return { ...answer, json: JSON.parse(answer.text) as Json };
};

/** What a client makes of a ticket: its parts one after another. No token goes with them. */
async function assemble(ticket: Json): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for (const { url, headers } of ticket.htsget.urls) {
    const answer = await fetch(url, { headers: headers ?? {} });
    expect(answer.status).toBe(headers?.Range === undefined ? 200 : 206);
    parts.push(new Uint8Array(await answer.arrayBuffer()));
  }
  return Buffer.concat(parts);
}

const samtools = (...args: string[]) => execFileSync('samtools', args, { encoding: 'utf8', maxBuffer: 1 << 26 });
const recordsOf = (file: string, ...region: string[]) => samtools('view', file, ...region);

describe('DRS', () => {
  test('tells what it is, to anybody', async () => {
    const { json } = await drs('/service-info', { token: null });
    expect(json).toMatchObject({
      type: { group: 'org.ga4gh', artifact: 'drs', version: '1.5.0' },
      maxBulkRequestLength: 1000,
      drs: { maxBulkRequestLength: 1000 },
    });
  });

  test('shows a collection as a bundle, with directories in it on demand', async () => {
    const { json } = await drs(`/objects/${root}`);
    expect(json).toMatchObject({ id: root, version: collection.portable_data_hash });
    expect(json.self_uri).toBe(`drs://127.0.0.1/${root}`);
    expect(json.contents.map(({ name }: Json) => name)).toEqual(['aaa', 'data', 'notes.txt', 'odd näme.txt', 'twice']);
    expect(json.contents[0]).not.toHaveProperty('contents');
    const expanded = (await drs(`/objects/${root}?expand=true`)).json;
    expect(expanded.contents[1].contents).toHaveLength(FILES.length + MORE.length);
    expect(expanded.contents[1].id).toBe(`${root}.data~2f`);
    const inner = (await drs(`/objects/${root}.data~2f`)).json;
    expect(inner.contents.map(({ id }: Json) => id)).toContain(`${root}.data~2freads.bam`);
  });

  test('every id in a bundle leads to an object that says the same of itself', async () => {
    const { json } = await drs(`/objects/${root}?expand=true`);
    const ids = json.contents.flatMap((entry: Json) => [entry, ...(entry.contents ?? [])]).map(({ id }: Json) => id);
    for (const id of ids) expect((await drs(`/objects/${id}`)).json.id).toBe(id);
    expect(ids).toContain(`${root}.odd~20n~c3~a4me.txt`);
  });

  test('a file of one block has the MD5 of its bytes, and no other file has an MD5', async () => {
    const whole = (await drs(`/objects/${root}.notes.txt`)).json;
    expect(whole).toMatchObject({ size: 10, checksums: [{ type: 'md5', checksum: md5('some notes') }] });
    const { checksums, size } = (await drs(`/objects/${root}.twice`)).json;
    expect(size).toBe(20);
    expect(checksums.map(({ type }: Json) => type)).toEqual(['keep-segments-md5']);
  });

  test('an access URL needs no token, opens its file alone, and dies with the token', async () => {
    const { json } = await drs(`/objects/${root}.notes.txt/access/https`);
    const fetched = await request(json.url, { token: null });
    expect(fetched.text).toBe('some notes');
    const part = await request(json.url, { token: null, headers: { Range: 'bytes=5-9' } });
    expect([part.status, part.text]).toEqual([206, 'notes']);
    for (const other of [json.url.replace('notes.txt', 'twice'), json.url.replace('notes.txt', '')])
      expect((await request(other, { token: null })).status).toBe(404);
    const ticket = /t=([^/]+)/.exec(json.url)?.[1] ?? '';
    expect((await request(`${service.url}/c=${collection.uuid}/t=${ticket}/notes.txt`, { token: null })).status).toBe(
      404,
    );
    expect((await request(json.url, { method: 'DELETE', token: null })).status).toBeGreaterThanOrEqual(400);
    expect((await api(service, 'users/current', { token: ticket })).status).toBe(401);

    const made = await api(service, 'api_client_authorizations', {
      token: ann.token,
      body: { api_client_authorization: {} },
    });
    const token = `v2/${made.json.uuid}/${made.json.api_token}`;
    const { url } = (await drs(`/objects/${root}.notes.txt/access/https`, { token })).json;
    expect((await request(url, { token: null })).status).toBe(200);
    await api(service, `api_client_authorizations/${made.json.uuid}`, { method: 'DELETE', token: ann.token });
    expect((await request(url, { token: null })).status).toBe(404);
  });

  test('what a token may not read does not exist for it, and without a token that is said', async () => {
    const path = `/objects/${root}.notes.txt`;
    expect(await drs(path, { token: bob.token })).toMatchObject({ status: 404, json: { status_code: 404 } });
    expect(await drs(`${path}/access/https`, { token: bob.token })).toMatchObject({ status: 404 });
    expect(await drs(path, { token: null })).toMatchObject({ status: 401, json: { status_code: 401 } });
    expect(await drs(path, { token: 'x'.repeat(50) })).toMatchObject({ status: 401 });
    expect(await drs('/objects/nonsense')).toMatchObject({ status: 404 });
    expect(await drs(`/objects/${root}.nothing`)).toMatchObject({ status: 404 });
    expect(await drs(`${path}/access/ftp`)).toMatchObject({ status: 404 });
    const uuid = await drs(`/objects/${collection.uuid}.notes.txt`);
    expect([uuid.status, uuid.json.msg]).toEqual([404, expect.stringContaining(`${root}.notes.txt`)]);
  });

  test('many objects are asked for at once', async () => {
    const ids = [`${root}.notes.txt`, `${root}.gone`, root, `${root}.notes.txt`];
    const { json } = await drs('/objects', { body: { bulk_object_ids: ids } });
    expect(json.summary).toEqual({ requested: 3, resolved: 2, unresolved: 1 });
    expect(json.unresolved_drs_objects).toEqual([{ error_code: 404, object_ids: [`${root}.gone`] }]);
    expect(json.resolved_drs_object.map(({ id }: Json) => id)).toEqual([`${root}.notes.txt`, root]);
    const access = await drs('/objects/access', {
      body: { bulk_object_access_ids: [{ bulk_object_id: `${root}.notes.txt`, bulk_access_ids: ['https'] }] },
    });
    const [found] = access.json.resolved_drs_object_access_urls;
    expect((await request(found.url, { token: null })).text).toBe('some notes');
    expect(await drs('/objects', { body: { bulk_object_ids: Array(1001).fill(root) } })).toMatchObject({ status: 413 });
    expect(await drs('/objects', { body: { bulk_object_ids: 'x' } })).toMatchObject({ status: 400 });
  });

  test('OPTIONS tells what to send along, and a preflight is answered as one', async () => {
    const { json } = await drs(`/objects/${root}`, { method: 'OPTIONS' });
    expect(json).toEqual({ drs_object_id: root, supported_types: ['BearerAuth'] });
    const preflight = await request(`${service.url}/ga4gh/drs/v1/objects/${root}`, {
      method: 'OPTIONS',
      token: null,
      headers: {
        Origin: 'https://igv.org',
        'Access-Control-Request-Method': 'GET',
        'Access-Control-Request-Headers': 'authorization',
      },
    });
    expect(preflight.status).toBe(204);
    expect(preflight.headers.get('access-control-allow-origin')).toBe('https://igv.org');
    expect(preflight.headers.get('access-control-allow-headers')).toBe('authorization');
  });
});

test('the command line prints the id of a file and of a directory', async () => {
  await using cli = await cliFor(service, 'drs');
  cli.env.ARVADOS_API_TOKEN = ann.token;
  const { run } = cli;
  const file = await run('drs', `${collection.uuid}/data/reads.bam`);
  expect(file.stdout).toBe(`${root}.data~2freads.bam\ndrs://127.0.0.1/${root}.data~2freads.bam\n`);
  expect((await run('drs', `${collection.uuid}/data/`)).stdout).toContain(`${root}.data~2f\n`);
  expect(JSON.parse((await run('drs', collection.uuid, '--json')).stdout)).toMatchObject({ id: root });
  const missing = await run('drs', `${collection.uuid}/gone`);
  expect([missing.code, missing.stderr]).toEqual([1, expect.stringContaining('is not there')]);
});

test('the page of a file shows its DRS address', async () => {
  const { text } = await request(`${service.url}/by_id/${collection.uuid}/data/reads.bam?preview`, {
    token: ann.token,
    headers: { Accept: 'text/html' },
  });
  expect(text).toContain(`drs://127.0.0.1/${root}.data~2freads.bam`);
});

describe('htsget', () => {
  const id = () => `${root}.data~2freads.bam`;

  test('says what it has', async () => {
    const { json } = await htsget('reads/service-info', { token: null });
    expect(json).toMatchObject({
      type: { artifact: 'htsget', version: '1.3.0' },
      htsget: { formats: ['BAM', 'CRAM'] },
    });
  });

  test('a ticket has one key, and begins as htslib recognises it', async () => {
    const { text, headers } = await htsget(`reads/${id()}?referenceName=chr1&start=100000&end=200000`);
    expect(text.startsWith('{"htsget":{')).toBe(true);
    expect(headers.get('content-type')).toBe('application/vnd.ga4gh.htsget.v1.3.0+json; charset=utf-8');
  });

  test.skipIf(!hasTool('samtools'))('its parts together are a file with the records of each region', async () => {
    for (const [name, format] of [
      ['reads.bam', 'BAM'],
      ['reads.cram', 'CRAM'],
    ] as const) {
      for (const region of ['chr1:300001-500000', 'chr2:1-600000', 'chr3:179000-181000', '*', 'empty:1-50000']) {
        const [, reference = '', start, end] = /^([^:]+)(?::(\d+)-(\d+))?$/.exec(region) ?? [];
        const query = start === undefined ? '' : `&start=${Number(start) - 1}&end=${end}`;
        const { json } = await htsget(
          `reads/${collection.uuid}/data/${name}?format=${format}&referenceName=${encodeURIComponent(reference)}${query}`,
        );
        const file = join(directory, `part.${name.split('.')[1]}`);
        await writeFile(file, await assemble(json));
        samtools('quickcheck', file);
        samtools('index', file);
        expect(recordsOf(file, region), `${name} ${region}`).toBe(recordsOf(join(VECTORS, name), region));
      }
    }
  });

  test.skipIf(!hasTool('samtools') || !hasTool('bcftools'))(
    'htslib reads regions through a ticket, with a token for the ticket alone',
    async () => {
      const location = join(directory, 'token');
      await writeFile(location, ann.token);
      const env = {
        ...process.env,
        HTS_AUTH_LOCATION: location,
        HTS_ALLOW_UNENCRYPTED_AUTHORIZATION_HEADER: 'I understand the risks',
      };
      const url = `${service.url}/ga4gh/htsget/v1/reads/${id()}?referenceName=chr1&start=300000&end=500000`;
      const read = execFileSync('samtools', ['view', '-c', url], { encoding: 'utf8', env });
      expect(Number(read)).toBeGreaterThanOrEqual(
        recordsOf(join(VECTORS, 'reads.bam'), 'chr1:300001-500000').split('\n').length - 1,
      );
      for (const name of ['variants.vcf.gz', 'variants.bcf']) {
        const format = name.endsWith('bcf') ? 'BCF' : 'VCF';
        const variants = `${service.url}/ga4gh/htsget/v1/variants/${root}.data~2f${name}?format=${format}&referenceName=chr2&start=100000&end=200000`;
        const rows = execFileSync('bcftools', ['view', '-H', variants], { encoding: 'utf8', env, maxBuffer: 1 << 26 });
        const wanted = execFileSync('bcftools', ['view', '-H', '-r', 'chr2:100001-200000', join(VECTORS, name)], {
          encoding: 'utf8',
        });
        const lines = new Set(rows.split('\n'));
        expect(
          wanted.split('\n').filter((line) => !lines.has(line)),
          name,
        ).toEqual([]);
      }
    },
  );

  test.skipIf(!hasTool('samtools'))('a whole file, and a header alone, are files too', async () => {
    expect(await assemble((await htsget(`reads/${id()}`)).json)).toEqual(
      Buffer.from(readFileSync(join(VECTORS, 'reads.bam'))),
    );
    for (const name of ['reads.bam', 'reads.cram']) {
      const format = name.endsWith('cram') ? 'CRAM' : 'BAM';
      const { json } = await htsget(`reads/${root}.data~2f${name}?class=header&format=${format}`);
      expect(json.htsget.urls.every((part: Json) => part.class === 'header')).toBe(true);
      const file = join(directory, `header.${format}`);
      await writeFile(file, await assemble(json));
      expect(samtools('view', '--no-PG', '-H', file)).toBe(samtools('view', '--no-PG', '-H', join(VECTORS, name)));
      expect(recordsOf(file)).toBe('');
    }
  });

  test('several regions come in file order, each byte once, as POST asks for them', async () => {
    const regions = [
      { referenceName: 'chr3', start: 100_000, end: 300_000 },
      { referenceName: 'chr1' },
      { referenceName: 'chr1', start: 5 },
    ];
    const { json } = await htsget(`reads/${id()}`, { body: { format: 'BAM', regions } });
    const ranges = json.htsget.urls.flatMap(
      ({ headers }: Json) =>
        /bytes=(\d+)-(\d+)/
          .exec(headers?.Range ?? '')
          ?.slice(1)
          .map(Number) ?? [],
    );
    expect(ranges).toEqual([...ranges].sort((a: number, b: number) => a - b));
    expect(new Set(ranges).size).toBe(ranges.length);
  });

  test.each([
    ['?referenceName=chr1&start=5&end=4', 400, 'InvalidRange'],
    ['?start=5', 400, 'InvalidInput'],
    ['?referenceName=*&start=5', 400, 'InvalidInput'],
    ['?referenceName=chr1&start=-1', 400, 'InvalidInput'],
    ['?referenceName=chr1&referenceName=chr2', 400, 'InvalidInput'],
    ['?referenceName=chr9', 404, 'NotFound'],
    ['?class=header&referenceName=chr1', 400, 'InvalidInput'],
    ['?class=body', 400, 'InvalidInput'],
    ['?tags=MD,NM&notags=NM', 400, 'InvalidInput'],
    ['?format=VCF', 400, 'UnsupportedFormat'],
    ['?format=CRAM', 400, 'UnsupportedFormat'],
  ])('%s is refused with %i %s', async (query, status, error) => {
    expect(await htsget(`reads/${id()}${query}`)).toMatchObject({ status, json: { htsget: { error } } });
  });

  test('ids that lead nowhere, or to what may not be read, are refused alike', async () => {
    for (const path of [`${root}.data~2fgone.bam`, 'nonsense', `${root}.notes.txt.bam`])
      expect(await htsget(`reads/${path}`)).toMatchObject({ status: 404, json: { htsget: { error: 'NotFound' } } });
    expect(await htsget(`reads/${root}.notes.txt`)).toMatchObject({
      status: 400,
      json: { htsget: { error: 'UnsupportedFormat' } },
    });
    expect(await htsget(`reads/${id()}`, { token: bob.token })).toMatchObject({ status: 404 });
    expect(await htsget(`reads/${id()}`, { token: null })).toMatchObject({
      status: 401,
      json: { htsget: { error: 'InvalidAuthentication' } },
    });
    const bad = await htsget(`reads/${id()}`, { body: { regions: [] } });
    expect(bad).toMatchObject({ status: 400, json: { htsget: { error: 'InvalidInput' } } });
  });
});

test('public data is opened without a token, and its addresses hold none', async () => {
  const made = await api(service, 'collections', {
    body: {
      collection: {
        name: 'public',
        owner_uuid: ann.uuid,
        manifest_text: collection.manifest_text.replace('notes.txt', 'open.txt'),
      },
    },
  });
  const hash = made.json.portable_data_hash.replace('+', '-');
  await api(service, 'links', {
    token: ann.token,
    body: { link: { link_class: 'permission', tail_uuid: PUBLIC, head_uuid: made.json.uuid, name: 'can_read' } },
  });
  const { json } = await drs(`/objects/${hash}.open.txt`, { token: null });
  const [https] = json.access_methods;
  expect(https.access_url.url).toBe(`${service.url}/c=${hash}/open.txt`);
  expect((await request(https.access_url.url, { token: null })).text).toBe('some notes');
  const odd = (await drs(`/objects/${hash}.aaa~2ft~3dx/access/https`, { token: null })).json;
  expect((await request(odd.url, { token: null })).text).toBe('some notes');
  const ticket = await htsget(`reads/${made.json.uuid}/data/reads?referenceName=chr1`, { token: null });
  expect(ticket.json.htsget.format).toBe('BAM');
  expect((await assemble(ticket.json)).length).toBeGreaterThan(1000);
  expect(await drs(`/objects/${hash}`, { method: 'OPTIONS', token: null })).toMatchObject({
    json: { supported_types: ['None', 'BearerAuth'] },
  });
});

test('a sharing link’s token gets tickets for its collection, which end when the content changes', async () => {
  const copy = await api(service, 'collections', {
    token: ann.token,
    body: {
      collection: {
        name: 'shared',
        manifest_text: (await api(service, `collections/${collection.uuid}`, { token: ann.token })).json.manifest_text,
      },
    },
  });
  const { uuid } = copy.json;
  const notes = await putBlock(service.url, blockOf('some notes'), bearer(ann.token));
  const other = `./data ${notes} 0:10:reads.bam\n`;
  const link = await api(service, 'sharing_links', {
    token: ann.token,
    body: { sharing_link: { collection_uuid: uuid } },
  });
  const token = /t=([^/]+)/.exec(link.json.href)?.[1] ?? '';
  const path = `reads/${uuid}/data/reads?referenceName=chr1`;
  const ticket = await htsget(path, { token });
  expect(ticket.status).toBe(200);
  expect((await assemble(ticket.json)).length).toBeGreaterThan(1000);
  const changed = await api(service, `collections/${uuid}`, {
    method: 'PUT',
    token: ann.token,
    body: { collection: { manifest_text: other } },
  });
  expect(changed.status).toBe(200);
  const [part] = ticket.json.htsget.urls.filter(({ url }: Json) => url.startsWith('http'));
  expect((await request(part.url, { token: null, headers: part.headers })).status).toBe(404);
});

test('a genome viewer’s library finds reads in what a ticket gives', async () => {
  const { json } = await htsget(`reads/${root}.data~2freads.bam`);
  const index = (await drs(`/objects/${root}.data~2freads.bam.bai/access/https`)).json.url;
  const bam = new BamFile({
    bamFilehandle: new RemoteFile(json.htsget.urls[0].url),
    baiFilehandle: new RemoteFile(index),
  });
  await bam.getHeader();
  expect((await bam.getRecordsForRange('chr1', 300_000, 500_000)).length).toBeGreaterThan(10);
});

/** Another site, whose page loads igv.js. */
async function siteWithIgv() {
  const length = 2_000_000;
  const pages: Record<string, string | Buffer> = {
    '/': '<!doctype html><div id="igv"></div><script src="igv.js"></script>',
    '/igv.js': readFileSync(join(import.meta.dirname, '../../node_modules/igv/dist/igv.min.js')),
    '/reference.fa': `>chr1\n${'N'.repeat(length)}\n`,
    '/reference.fa.fai': `chr1\t${length}\t6\t${length}\t${length + 1}\n`,
  };
  const server = createServer((request, response) => response.end(pages[request.url ?? ''] ?? ''));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}/`, [Symbol.dispose]: () => void server.close() };
}

test.skipIf(!hasTool('chromium'))('igv.js on a page of another site shows reads and variants of a region', async () => {
  using site = await siteWithIgv();
  await using browser = await startBrowser();
  const page = await browser.newPage();
  const problems: string[] = [];
  page.on('pageerror', (error) => problems.push(error.message));
  await page.goto(site.url);
  const found = await page.evaluate(
    async ({ base, oauthToken }) => {
      // biome-ignore lint/suspicious/noExplicitAny: the library of the page has no types here
      const { igv, document } = globalThis as any;
      const shown = await igv.createBrowser(document.getElementById('igv'), {
        reference: { id: 'test', fastaURL: '/reference.fa', indexURL: '/reference.fa.fai' },
        locus: 'chr1:400,000-402,000',
        tracks: [
          { type: 'alignment', sourceType: 'htsget', format: 'bam', url: `${base.reads}/reads`, oauthToken },
          { type: 'variant', sourceType: 'htsget', format: 'vcf', url: `${base.variants}/variants`, oauthToken },
        ],
      });
      const [reads] = shown.findTracks('type', 'alignment');
      const [variants] = shown.findTracks('type', 'variant');
      const { alignments } = await reads.featureSource.getAlignments('chr1', 400_000, 402_000);
      return [alignments.length, (await variants.getFeatures('chr1', 400_000, 402_000)).length];
    },
    {
      base: {
        reads: `${service.url}/ga4gh/htsget/v1/reads/${collection.uuid}/data`,
        variants: `${service.url}/ga4gh/htsget/v1/variants/${collection.uuid}/data`,
      },
      oauthToken: ann.token,
    },
  );
  // As samtools view -c and bcftools view -H -r count them for chr1:400001-402000.
  expect({ found, problems }).toEqual({ found: [2, 2], problems: [] });
});
