import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { api, createUser, type TestUser } from '../support/api.ts';
import { startBrowser } from '../support/browser.ts';
import { type Cli, cliFor } from '../support/cli.ts';
import { request } from '../support/keep.ts';
import { startService, type TestService } from '../support/service.ts';
import { hasTool, tool } from '../support/tools.ts';
import { makeReads } from './genome-tour/make-reads.ts';

/** A table with a nested column, compressed with zstd. */
const PARQUET =
  'UEFSMRUEFSAVMkwVBBUAEgAAKLUv/SAQgQAAAQAAAAAAAAACAAAAAAAAABUAFRIVJCwVBBUQFQYVBhwAAAAotS/9IAlJAAACAAAABAEBAwIVBBUgFTJMFQQVABIAACi1L/0gEIEAAAEAAAAAAAAAAgAAAAAAAAAVABUSFSQsFQQVEBUGFQYcAAAAKLUv/SAJSQAAAgAAAAQCAQMCFQQVFBUmTBUEFQASAAAotS/9IApRAAABAAAAeAEAAAB5FQAVIhU0LBUGFRAVBhUGHAAAACi1L/0gEYkAAAIAAAADAgQAAAADpAAAAQMCFQQVHhUwTBUCFQASAAAotS/9IA95AAALAAAAPGI+Ym9sZDwvYj4VABUSFSQsFQQVEBUGFQYcAAAAKLUv/SAJSQAAAgAAAAMBAQIAFQQZjDUAGAZzY2hlbWEVBgAVBCUCGAJpZAA1AhgGbmVzdGVkFQQAFQQlAhgBYQA1AhgEdGFncxUCFQZMPAAAADUEGARsaXN0FQIAFQwlAhgHZWxlbWVudCUATBwAAAAVDCUCGAR0ZXh0JQBMHAAAABYEGRwZTCYAHBUEGTUABhAZGAJpZBUMFgQWdBaYASZWJggpLBUEFQAVAgAVABUQFQIAPCkGGSYABAAAACYAHBUEGTUABhAZKAZuZXN0ZWQBYRUMFgQWdBaYASbuASagASksFQQVABUCABUAFRAVAgA8KQYZNgAABAAAACYAHBUMGTUABhAZSAZuZXN0ZWQEdGFncwRsaXN0B2VsZW1lbnQVDBYGFngWnAEm+gImuAIpLBUEFQAVAgAVABUQFQIAPBYEGSYEAhlWAAACAAQAAAAmABwVDBk1AAYQGRgEdGV4dBUMFgQWchaWASagBCbUAyksFQQVABUCABUAFRAVAgA8FhYZBhkmAgIAAAAW0gMWBCYIFuIEACggcGFycXVldC1jcHAtYXJyb3cgdmVyc2lvbiAyNi4wLjEZTBwAABwAABwAABwAAAC4AQAAUEFSMQ==';
const SAMPLE_RATE = 8000;
const SECONDS = 40;

/** What files look like, in a real browser. */
describe.runIf(hasTool('chromium') && hasTool('samtools'))('previews', () => {
  let service: TestService;
  let browser: Browser;
  let cli: Cli;
  let uuid: string;

  beforeAll(async () => {
    service = await startService();
    browser = await startBrowser();
    cli = await cliFor(service, 'reader');
    const files = await makeFiles();
    uuid = await cli.ok('put', '--name', 'previews', `${files}/`);
    await rm(files, { recursive: true });
  });
  afterAll(async () => {
    await cli?.[Symbol.asyncDispose]();
    await browser?.close();
    await service?.stop();
  });

  test.each([
    ['reads.bam', 'chr20:1-'],
    ['reads.cram', 'chr20:1-'],
    ['alone/late.bam', 'chr21:29,'],
    ['alone/calls.vcf.gz', 'chrA:98,'],
    ['alone/regions.bed', 'chrA:98,'],
    ['alone/steps.wig', 'chrA:1-'],
  ])(
    'the genome browser opens %s where its data begins, and asks no other host, whatever is looked for',
    async (path, locus) => {
      await using context = await signedIn(browser, service.url, cli.token);
      const page = await context.newPage();
      const problems = watch(page);
      await page.goto(`${service.url}/workspace/open/${uuid}/${path}`);
      expect(new URL(page.url()).hostname).toBe(`${uuid}.localhost`);
      await page.locator('#genome-facts', { hasText: 'in igv.js' }).waitFor({ timeout: 90_000 });
      expect(await page.locator('.igv-search-input').inputValue()).toMatch(new RegExp(`^${locus}`));
      await page.locator('.igv-search-input').fill('BRCA2');
      await page.keyboard.press('Enter');
      await page.waitForLoadState('networkidle');
      expect(problems).toEqual([]);
    },
  );

  test('a genome file without what it needs says so', async () => {
    await using context = await signedIn(browser, service.url, cli.token);
    const page = await context.newPage();
    await page.goto(`${service.url}/workspace/open/${uuid}/alone/reads.cram`);
    await page.locator('#genome-facts', { hasText: 'needs its reference' }).waitFor();
    await page.goto(`${service.url}/workspace/open/${uuid}/alone/no-index.bam`);
    await page.locator('#genome-facts', { hasText: 'An index' }).waitFor();
  });

  test('sound can be played from the middle, by a range', async () => {
    await using context = await signedIn(browser, service.url, cli.token);
    const page = await context.newPage();
    const ranges: (string | undefined)[] = [];
    page.on('response', async (answer) => {
      if (answer.url().endsWith('.wav')) ranges.push(`${answer.status()} ${answer.request().headers().range}`);
    });
    await page.goto(`${service.url}/c=${uuid}/tone.wav?preview`);
    const at = await page.evaluate(`new Promise((resolve, reject) => {
      const audio = document.querySelector('audio');
      audio.onerror = () => reject(new Error('not played'));
      audio.onseeked = () => resolve(audio.currentTime);
      const seek = () => { audio.currentTime = 30; };
      if (audio.readyState > 0) seek(); else audio.onloadedmetadata = seek;
    })`);
    expect([at, ranges.every((range) => range?.startsWith('206 bytes='))]).toEqual([30, true]);
  });

  test('a Parquet file with nested columns is a table', async () => {
    await using context = await signedIn(browser, service.url, cli.token);
    const page = await context.newPage();
    const problems = watch(page);
    await page.goto(`${service.url}/c=${uuid}/nested.parquet?preview`);
    await page.locator('.grid').waitFor();
    expect(await page.locator('.grid td').allTextContents()).toEqual([
      '1',
      '{"a":1,"tags":["x","y"]}',
      '<b>bold</b>',
      '2',
      '{"a":2,"tags":[]}',
      '',
    ]);
    expect(problems).toEqual([]);
  });

  test('where collections have no hosts of their own, what can run is not run: the page says why, and shows its text', async () => {
    // No address of this machine by a name that WEBDAV could be guessed from.
    const origin = service.url.replace('127.0.0.1', 'keep.localhost');
    await using context = await signedIn(browser, origin, cli.token);
    const page = await context.newPage();
    const problems = watch(page);
    await page.goto(`${origin}/c=${uuid}/report.html?preview`);
    expect(await page.locator('.preview .notice').textContent()).toContain(
      'No hosts of collections’ own are configured',
    );
    await page.getByText('Source').click();
    expect(await page.locator('.preview pre').textContent()).toContain("document.title = 'ran'");
    expect(await page.title()).toBe('report.html');
    for (const [file, text] of [
      ['alone/calls.vcf.gz', '##fileformat=VCF'],
      ['alone/regions.bed', 'chrA\t100000'],
    ] as const) {
      await page.goto(`${origin}/c=${uuid}/${file}?preview`);
      await page.getByText('Source').click();
      expect(await page.locator('.preview pre').textContent()).toContain(text);
    }
    await page.goto(`${origin}/c=${uuid}/table.csv.gz?preview`);
    expect(await page.locator('.grid td').allTextContents()).toEqual(['1', 'x; y']);
    const opened = await page.goto(`${origin}/workspace/open/${uuid}/report.html`);
    expect([opened?.status(), await page.title()]).toEqual([404, 'Nothing here']);
    expect(problems).toEqual([]);
  });
});

describe.runIf(hasTool('chromium'))("the operator's page", () => {
  let service: TestService;
  let browser: Browser;
  let ann: TestUser;
  let bob: TestUser;

  beforeAll(async () => {
    service = await startService();
    browser = await startBrowser();
    ann = await createUser(service, 'ann', { last_name: 'Miller', is_admin: true, is_active: true });
    bob = await createUser(service, 'bob', { is_active: true, email: 'bob@example.org' });
  });
  afterAll(async () => {
    await browser?.close();
    await service?.stop();
  });

  test('tells sizes of mounts, queues, settings in words and requests; a phone needs no scrolling sideways, and tables scroll by keyboard', async () => {
    await using cli = await cliFor(service, 'writer');
    const file = join(cli.home, 'data.bin');
    await writeFile(file, Buffer.alloc(3 * 1024 * 1024, 7));
    await cli.ok('put', '--name', 'data', file);
    await request(`${service.url}/keep-edge/v1/balance/run`, { method: 'POST', token: ann.token });
    await expect
      .poll(
        async () => {
          await service.scheduled();
          const { text } = await request(`${service.url}/keep-edge/v1/balance`, { token: ann.token });
          return (JSON.parse(text) as { runs: { phase: string }[] }).runs[0]?.phase;
        },
        { timeout: 90_000 },
      )
      .toBe('done');
    await using context = await signedIn(browser, service.url, ann.token, { width: 390, height: 800 });
    const page = await context.newPage();
    const problems = watch(page);
    await page.goto(`${service.url}/workspace/operator`);
    const table = (name: string) => page.getByRole('region', { name: `${name}: table` });
    expect(await table('Mounts').textContent()).toContain('3.0 MiB');
    expect(await table('Queues').textContent()).toContain('Trash');
    expect(await table('Requests by what was asked for').textContent()).toContain('api');
    expect(await page.locator('section[aria-labelledby=settings]').textContent()).toContain('SYSTEM_ROOT_TOKEN');
    expect(await page.locator('svg.chart').count()).toBeGreaterThan(5);
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(390);
    await table('Mounts').focus();
    await page.keyboard.press('End');
    await page.keyboard.press('ArrowRight');
    await expect.poll(() => page.evaluate('document.activeElement.scrollLeft')).toBeGreaterThan(0);
    expect(problems).toEqual([]);
  });

  test('an admin makes a token for another user, limits what they store, and revokes the token; others may not', async () => {
    await using context = await signedIn(browser, service.url, ann.token);
    const page = await context.newPage();
    await page.goto(`${service.url}/workspace/operator`);
    await page.getByRole('link', { name: 'Tokens and room of bob' }).click();
    await page.getByLabel('It may').selectOption('read');
    await page.getByRole('button', { name: 'Make a token' }).click();
    const token = (await page.locator('#secret').textContent()) ?? '';
    const { status, json } = await api(service, 'users/current', { token });
    expect([status, json.uuid]).toEqual([200, bob.uuid]);
    expect((await api(service, 'collections', { token, body: { collection: { name: 'x' } } })).status).toBe(403);
    await page.getByLabel('At most, in GiB').fill('2.5');
    await page.getByRole('button', { name: 'Set' }).click();
    await page.waitForURL(/\?user=/);
    expect(await page.locator('body').textContent()).toContain('of 2.5 GiB');
    await page.getByRole('button', { name: `Revoke ${token.split('/')[1]}` }).click();
    await page.waitForURL(/\?user=/);
    await expect.poll(async () => (await api(service, 'users/current', { token })).status).toBe(401);

    await using other = await signedIn(browser, service.url, bob.token);
    const outside = await other.newPage();
    for (const path of ['/workspace/operator', `/workspace/tokens?user=${ann.uuid}`]) {
      const answer = await outside.goto(service.url + path);
      expect([path, answer?.status()]).toEqual([path, 403]);
    }
  });
});

async function signedIn(
  browser: Browser,
  origin: string,
  token: string,
  viewport = { width: 1280, height: 800 },
): Promise<BrowserContext> {
  const context = await browser.newContext({ viewport });
  const value = Buffer.from(token).toString('base64url');
  await context.addCookies([{ name: 'arvados_api_token', value, url: origin, httpOnly: true }]);
  return context;
}

/** What no page may do: break its own policy, throw, or ask another host. */
function watch(page: Page): string[] {
  const problems: string[] = [];
  page.on('pageerror', (error) => problems.push(String(error)));
  page.on('console', (message) => {
    if (/Content Security Policy|Content Security policy/.test(message.text())) problems.push(message.text());
  });
  page.on('request', (asked) => {
    const { hostname, protocol } = new URL(asked.url());
    if (!['data:', 'blob:'].includes(protocol) && !/^(127\.0\.0\.1|.*\.localhost)$/.test(hostname))
      problems.push(asked.url());
  });
  return problems;
}

/** A directory with a file of each kind. */
async function makeFiles(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'keep-edge-previews-'));
  const alone = join(directory, 'alone');
  await mkdir(alone);
  await makeReads(directory, 1);
  const samtools = (...args: string[]) => tool('samtools', args, { cwd: directory });
  await samtools('view', '-C', '-T', 'reference.fa', '-o', 'reads.cram', 'reads.bam');
  await samtools('index', 'reads.cram');
  await samtools('view', '-b', '-o', 'alone/late.bam', 'reads.bam', 'chr21:30000-34000');
  await samtools('index', 'alone/late.bam');
  await samtools('view', '-b', '-o', 'alone/no-index.bam', 'alone/late.bam');
  await samtools('view', '-C', '-T', 'reference.fa', '-o', 'alone/reads.cram', 'alone/late.bam');
  await samtools('index', 'alone/reads.cram');
  const calls = Array.from({ length: 100 }, (_, i) => `chrA\t${100_000 + i * 500}\t.\tA\tG\t50\tPASS\tDP=30\n`);
  const vcf = `##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n${calls.join('')}`;
  await writeFile(join(alone, 'calls.vcf'), vcf);
  await tool('bcftools', ['view', '-O', 'z', '-o', 'calls.vcf.gz', 'calls.vcf'], { cwd: alone });
  await tool('bcftools', ['index', '-t', 'calls.vcf.gz'], { cwd: alone });
  await rm(join(alone, 'calls.vcf'));
  const regions = Array.from({ length: 50 }, (_, i) => `chrA\t${100_000 + i * 1000}\t${100_300 + i * 1000}\tr${i}\n`);
  await writeFile(join(alone, 'regions.bed'), regions.join(''));
  await writeFile(join(alone, 'steps.wig'), `fixedStep chrom=chrA start=1 step=100 span=100\n${'3\n7\n'.repeat(50)}`);
  await writeFile(join(directory, 'nested.parquet'), Buffer.from(PARQUET, 'base64'));
  await writeFile(join(directory, 'table.csv.gz'), gzipSync('a,b\n1,"x; y"\n'));
  await writeFile(join(directory, 'tone.wav'), makeSound());
  await writeFile(
    join(directory, 'report.html'),
    "<!doctype html><title>report</title><script>document.title = 'ran'</script>",
  );
  return directory;
}

/** A tone, 8 bits a sample. */
function makeSound(): Buffer {
  const length = SAMPLE_RATE * SECONDS;
  const sound = Buffer.alloc(44 + length);
  sound.write('RIFF');
  sound.writeUInt32LE(36 + length, 4);
  sound.write('WAVEfmt ', 8);
  sound.writeUInt32LE(16, 16);
  sound.writeUInt16LE(1, 20);
  sound.writeUInt16LE(1, 22);
  sound.writeUInt32LE(SAMPLE_RATE, 24);
  sound.writeUInt32LE(SAMPLE_RATE, 28);
  sound.writeUInt16LE(1, 32);
  sound.writeUInt16LE(8, 34);
  sound.write('data', 36);
  sound.writeUInt32LE(length, 40);
  for (let i = 0; i < length; i++) sound[44 + i] = 128 + Math.round(60 * Math.sin(i / 5));
  return sound;
}
