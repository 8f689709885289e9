import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Browser, type BrowserContext, devices, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { api, createUser } from '../support/api.ts';
import { startBrowser } from '../support/browser.ts';
import { createCollection, stored, type TestCollection } from '../support/collections.ts';
import { blockOf, md5, randomBlock } from '../support/keep.ts';
import { ROOT_TOKEN, startService, type TestService } from '../support/service.ts';
import { hasTool, tool } from '../support/tools.ts';

/**
 * A real browser goes through what people do. Screenshots are kept where KEEP_EDGE_SCREENSHOTS says, to be looked at;
 * pixels are not compared.
 */
describe.runIf(hasTool('chromium'))('a browser', () => {
  let service: TestService;
  let browser: Browser;
  let collection: TestCollection;
  let directory: string;
  const shots = process.env.KEEP_EDGE_SCREENSHOTS;
  const reads = randomBlock(2_345_678);
  const report = blockOf('<!doctype html><script>document.title = "owned"</script>');

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'keep-edge-browser-'));
    if (shots !== undefined) await mkdir(shots, { recursive: true });
    service = await startService();
    await stored(service, reads, report);
    const size = reads.data.length;
    collection = await createCollection(
      service,
      `. ${reads.locator} ${report.locator} 0:${size}:sample-0042.bam 0:86912:sample-0042.bam.bai 0:1234567:reads_R1.fastq.gz 5:700:variants.vcf ` +
        `${size}:${report.data.length}:report.html 0:40000:coverage.png 10:400:README.md 0:0:done 7:90000:a-rather-long-name-without-any-space-in-it_${'x'.repeat(70)}.tsv\n` +
        `./Logs\\040of\\040run\\0407 ${reads.locator} 0:500:stderr.txt 0:600:stdout.txt\n./références/hg38 ${reads.locator} 0:900000:chr21.fa\n` +
        './empty d41d8cd98f00b204e9800998ecf8427e+0 0:0:\\056\n',
      { name: 'Whole genome run 7, sample 0042' },
    );
    browser = await startBrowser();
  });
  afterAll(async () => {
    await browser?.close();
    await service?.stop();
    await rm(directory, { recursive: true, force: true });
  });

  const shoot = async (page: Page, name: string) => {
    if (shots !== undefined) await page.screenshot({ path: join(shots, `${name}.png`), fullPage: true });
  };
  const address = () => `${service.url}/c=${collection.uuid}/`;
  const signIn = async (context: BrowserContext) => {
    const value = Buffer.from(ROOT_TOKEN).toString('base64url');
    await context.addCookies([{ name: 'arvados_api_token', value, url: service.url }]);
  };
  const names = (page: Page) => page.locator('a.item').allTextContents();
  const save = async (page: Page, click: () => Promise<void>) => {
    const [download] = await Promise.all([page.waitForEvent('download'), click()]);
    const path = join(directory, download.suggestedFilename());
    await download.saveAs(path);
    return path;
  };

  for (const [size, options] of Object.entries({
    desktop: { viewport: { width: 1280, height: 800 } },
    phone: devices['Pixel 7'] ?? {},
  })) {
    test(`signs in, lists, sorts, goes down and up, saves a file and an archive (${size})`, async () => {
      await using context = await browser.newContext(options);
      const page = await context.newPage();
      const problems: string[] = [];
      page.on('pageerror', (error) => problems.push(String(error)));
      page.on('console', (message) => {
        if (/Content Security Policy/.test(message.text())) problems.push(message.text());
      });

      await page.goto(address());
      await shoot(page, `${size}-1-sign-in`);
      await page.getByLabel('API token').fill(ROOT_TOKEN);
      await page.getByRole('button', { name: 'Sign in' }).click();
      await page.waitForURL(address());
      expect(page.url()).not.toContain(ROOT_TOKEN);
      expect(await page.title()).toBe('Whole genome run 7, sample 0042');
      await shoot(page, `${size}-2-listing`);
      expect((await names(page)).slice(0, 4)).toEqual([
        'empty/',
        'Logs of run 7/',
        'références/',
        expect.stringMatching(/^a-rather/),
      ]);
      // Nothing sticks out to the side.
      expect(await page.evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth')).toBe(
        0,
      );

      await page.getByRole('link', { name: /^Size/ }).click();
      await page.getByRole('link', { name: /^Size/ }).click();
      expect((await names(page)).slice(0, 5)).toEqual([
        'références/',
        'Logs of run 7/',
        'empty/',
        'sample-0042.bam',
        'reads_R1.fastq.gz',
      ]);

      await page.getByRole('link', { name: 'références/' }).click();
      await page.getByRole('link', { name: 'hg38/' }).click();
      expect(await names(page)).toEqual(['chr21.fa']);
      await shoot(page, `${size}-3-below`);
      await page.getByRole('navigation', { name: 'Path' }).getByRole('link', { name: 'Whole genome run 7' }).click();
      expect(page.url()).toBe(address());

      await page.getByRole('link', { name: 'sample-0042.bam', exact: true }).click();
      await page.waitForURL(`${address()}sample-0042.bam?preview`);
      const bam = await save(page, () => page.getByRole('link', { name: 'Download', exact: true }).click());
      expect(md5(await readFile(bam))).toBe(reads.hash);
      await page.goBack();

      await page.getByLabel('Select variants.vcf').check();
      await page.getByLabel('Select Logs of run 7').check();
      await shoot(page, `${size}-4-selected`);
      const zip = await save(page, () => page.getByRole('button', { name: 'Download 2 selected as ZIP' }).click());
      const listed = await tool('unzip', ['-Z1', zip], { env: { LC_ALL: 'C.UTF-8' } });
      expect(listed.trim().split('\n')).toEqual([
        'Logs of run 7/stderr.txt',
        'Logs of run 7/stdout.txt',
        'variants.vcf',
      ]);

      await page.getByText('Download from a terminal').click();
      await shoot(page, `${size}-5-terminal`);
      expect(await page.locator('#wget-example').textContent()).toMatch(new RegExp(`--cut-dirs=1 .*'${address()}'$`));
      // The HTML file of the collection is saved, not shown: its script is not run here.
      await page.getByRole('link', { name: 'report.html', exact: true }).click();
      await page.waitForURL(`${address()}report.html?preview`);
      await save(page, () => page.getByRole('link', { name: 'Download', exact: true }).click());
      expect(await page.title()).toBe('report.html');
      expect(problems).toEqual([]);
    });
  }

  test('opens a sharing link without an account, follows it to a file, and is refused once it is revoked', async () => {
    const ann = await createUser(service, 'ann');
    const manifest_text = `. ${report.locator} 0:9:letter.txt\n`;
    const record = { owner_uuid: ann.uuid, name: 'for Eve', manifest_text };
    const { uuid } = (await api(service, 'collections', { body: { collection: record } })).json;
    const body = { sharing_link: { collection_uuid: uuid } };
    const link = (await api(service, 'sharing_links', { token: ann.token, body })).json;
    await using context = await browser.newContext();
    const page = await context.newPage();
    expect((await page.goto(link.href))?.status()).toBe(200);
    expect(await names(page)).toEqual(['letter.txt']);
    await shoot(page, 'sharing-link');
    const address = await page.locator('a.item').getAttribute('href');
    const file = await context.request.get(new URL(address ?? '', page.url()).href);
    expect(await file.text()).toBe(new TextDecoder().decode(report.data.subarray(0, 9)));
    await api(service, `sharing_links/${link.uuid}`, { method: 'DELETE', token: ann.token });
    const again = await page.goto(link.href);
    expect([401, 404]).toContain(again?.status());
    expect(await page.content()).not.toContain('letter.txt');
  });

  test('without scripts lists, sorts, and saves a selection', async () => {
    await using context = await browser.newContext({ javaScriptEnabled: false });
    await signIn(context);
    const page = await context.newPage();
    await page.goto(`${address()}?sort=-name`);
    expect((await names(page)).slice(0, 4)).toEqual(['références/', 'Logs of run 7/', 'empty/', 'variants.vcf']);
    await page.getByLabel('Select done').check();
    const zip = await save(page, () => page.getByRole('button', { name: 'Download selected as ZIP' }).click());
    expect((await tool('unzip', ['-Z1', zip])).trim()).toBe('done');
    const all = await save(page, () => page.getByRole('link', { name: 'Download all as ZIP' }).click());
    expect(await tool('unzip', ['-tq', all])).toContain('No errors');
  });

  test('shows the tree of everything, in the dark too', async () => {
    await using context = await browser.newContext({ colorScheme: 'dark', viewport: { width: 900, height: 600 } });
    await signIn(context);
    const page = await context.newPage();
    await page.goto(`${service.url}/by_id/`);
    await shoot(page, 'dark-1-root');
    await page.goto(`${service.url}/by_id/${collection.uuid}/`);
    expect((await names(page)).slice(0, 2)).toEqual(['empty/', 'Logs of run 7/']);
    await page.goto(address());
    await shoot(page, 'dark-2-listing');
  });

  test('lets a script of another site read ranges with a token of its own, after the file was opened in a tab', async () => {
    await using context = await browser.newContext();
    await signIn(context);
    const page = await context.newPage();
    const url = `${service.url}/c=${collection.portable_data_hash}/variants.vcf`;
    await save(page, () =>
      page.goto(url).then(
        () => undefined,
        () => undefined,
      ),
    );
    const site = createServer((_, answer) => answer.end('a genome browser')).listen(0, '127.0.0.1');
    await once(site, 'listening');
    await page.goto(`http://127.0.0.1:${(site.address() as AddressInfo).port}/`);
    const script = `(async () => {
      const answer = await fetch(${JSON.stringify(url)}, {
        headers: { Authorization: 'Bearer ${ROOT_TOKEN}', Range: 'bytes=10-19' },
      });
      const { length } = new Uint8Array(await answer.arrayBuffer());
      return [answer.status, length, ...['content-range', 'etag', 'content-length'].map((name) => answer.headers.get(name))];
    })()`;
    const seen = await page.evaluate(script);
    site.close();
    expect(seen).toEqual([206, 10, 'bytes 10-19/700', expect.stringMatching(/^"/), '10']);
  });

  test('opens a page of names that try to be more than names, as text', async () => {
    const evil = `"><img src=x onerror=document.title='owned'>`;
    const { uuid } = await createCollection(
      service,
      `. ${report.locator} 0:5:${evil.replaceAll(' ', '\\040').replaceAll('/', '')}\n`,
      { name: `<script>document.title='owned'<script>` },
    );
    await using context = await browser.newContext();
    await signIn(context);
    const page = await context.newPage();
    await page.goto(`${service.url}/c=${uuid}/`);
    expect(await names(page)).toEqual([evil]);
    expect(await page.title()).toBe(`<script>document.title='owned'<script>`);
    expect(await page.locator('img').count()).toBe(0);
  });
});
