import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { api } from '../support/api.ts';
import { startBrowser } from '../support/browser.ts';
import { createCollection, stored, type TestCollection } from '../support/collections.ts';
import { blockOf } from '../support/keep.ts';
import { ROOT_TOKEN, startService, type TestService } from '../support/service.ts';
import { hasTool, tool } from '../support/tools.ts';

/** Says that a script ran, whichever way the page lets it out. */
const OWNED = 'window.__x=1;alert(1);console.log(`owned`)';
/** Names that want to be more than names; none has a slash. Each file holds another letter. */
const NAMES = [
  `<script>${OWNED}<`,
  `"><img src=x onerror="${OWNED}">`,
  `' onmouseover='${OWNED}' autofocus onfocus='${OWNED}`,
  `" onmouseover="${OWNED}" autofocus onfocus="${OWNED}" x="`,
  `javascript:${OWNED}`,
  `data:text;html,<script>${OWNED}<`,
  '<svg onload=alert(1)>',
  '&lt;script&gt;alert(1)&#60;',
  '<!--',
  ']]><x',
  '%3Cscript%3E%22%27',
  '..%2f..%2f',
  '\\\\evil.example\\x',
  'http:evil.example',
  '?api_token=x&sort=size',
  '#fragment',
  ';a=b,c',
  'a\nb',
  'tab\there',
  'back`tick`',
  "it's; rm -rf ~ $(id) `id`",
  '\u202egnp.exe',
  '\u2028line',
  '<base href="http:evil.example">',
  '<form action="x"><input name=api_token>',
  'accept=application%2Fzip',
  't=x',
  '_',
  'constructor',
  ' leading and trailing ',
  '*',
];
/** Marks that turn text around are shown, not obeyed: else `gnp.exe` looks like `exe.png`. */
const shown = (name: string) => name.replaceAll('\u202e', '\ufffd');
const octal = (name: string) =>
  [...new TextEncoder().encode(name)].map((byte) => `\\${byte.toString(8).padStart(3, '0')}`).join('');
const LETTERS = blockOf(Array.from({ length: 2 * NAMES.length }, (_, i) => String.fromCharCode(0x41 + i)).join(''));

/**
 * What others put into a collection, before a real browser: nothing of it may run as, read as, or lead away from, the
 * service's own pages.
 */
describe.runIf(hasTool('chromium'))('a browser', () => {
  let service: TestService;
  let browser: Browser;
  let collection: TestCollection;
  let directory: string;
  const shots = process.env.KEEP_EDGE_SCREENSHOTS;
  const collectionName = `"'><script>${OWNED}<script>`;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'keep-edge-hostile-'));
    if (shots !== undefined) await mkdir(shots, { recursive: true });
    service = await startService();
    await stored(service, LETTERS);
    const files = NAMES.map((name, i) => `${i}:1:${octal(name)}`).join(' ');
    const below = NAMES.map((name, i) => `./dir\\040${octal(name)} ${LETTERS.locator} ${NAMES.length + i}:1:inside\n`);
    collection = await createCollection(service, `. ${LETTERS.locator} ${files}\n${below.join('')}`, {
      name: collectionName,
    });
    browser = await startBrowser();
  });
  afterAll(async () => {
    await browser?.close();
    await service?.stop();
    await rm(directory, { recursive: true, force: true });
  });

  const cookieOf = (url: string, token = ROOT_TOKEN) => ({
    name: 'arvados_api_token',
    value: Buffer.from(token).toString('base64url'),
    url,
    httpOnly: true,
    sameSite: 'Lax' as const,
  });
  /** A page that tells on whatever runs, or tries to and is held back by the policy: even that is one line too late. */
  async function watched(context: BrowserContext) {
    const page = await context.newPage();
    const seen: string[] = [];
    page.on('dialog', (dialog) => {
      seen.push(`dialog ${dialog.message()}`);
      void dialog.dismiss();
    });
    page.on('pageerror', (error) => seen.push(String(error)));
    page.on('console', (message) => {
      if (!/Failed to load resource|^\[DOM\]/.test(message.text())) seen.push(message.text());
    });
    page.on('request', (request) => {
      if (!request.url().startsWith(service.url)) seen.push(`asked ${request.url()}`);
    });
    return { page, seen };
  }
  /** Our own script, and nothing that a name could have made. */
  async function expectClean(page: Page, seen: string[]) {
    expect(seen).toEqual([]);
    expect(await page.evaluate('window.__x')).toBeUndefined();
    expect(await page.locator('script').count()).toBe(1);
    expect(await page.locator('img, base, iframe, object, embed, [onerror], [onfocus], [onmouseover]').count()).toBe(0);
  }
  const shoot = async (page: Page, name: string) => {
    if (shots !== undefined) await page.screenshot({ path: join(shots, `${name}.png`), fullPage: true });
  };

  test('shows names of files, directories and collections as text, and links lead to what they name', async () => {
    await using context = await browser.newContext();
    await context.addCookies([cookieOf(service.url)]);
    const { page, seen } = await watched(context);
    const address = `${service.url}/c=${collection.uuid}/`;
    await page.goto(address);
    await expectClean(page, seen);
    await shoot(page, 'hostile-1-listing');
    expect(await page.title()).toBe(collectionName);
    const links = (await page.evaluate(
      `[...document.querySelectorAll('a.item')].map((a) => [a.textContent, a.href])`,
    )) as [string, string][];
    expect(new Set(links.map(([text]) => text))).toEqual(
      new Set([...NAMES.map(shown), ...NAMES.map((name) => `dir ${shown(name)}/`)]),
    );
    for (const [text, href] of links) {
      expect(href.startsWith(address), href).toBe(true);
      const { search, hash } = new URL(href);
      expect(search + hash, text).toBe('');
      if (text.endsWith('/') && text.startsWith('dir ')) continue;
      const answer = await page.request.get(href);
      expect(answer.status(), text).toBe(200);
      expect(await answer.text(), text).toBe(String.fromCharCode(0x41 + NAMES.map(shown).indexOf(text)));
    }
    // Into each directory by a click, and out by the path at the top.
    for (const name of NAMES.filter((_, i) => i % 5 === 0)) {
      await page.getByRole('link', { name: `dir ${shown(name)}/`, exact: true }).click();
      await expectClean(page, seen);
      expect(await page.locator('a.item').allTextContents(), name).toEqual(['inside']);
      await page.getByRole('navigation').getByRole('link', { name: collectionName }).click();
      expect(page.url()).toBe(address);
    }
    await page.getByText('Download from a terminal').click();
    await shoot(page, 'hostile-2-terminal');
    await expectClean(page, seen);
  }, 120_000);

  test('saves a selection of such names, through a form that nothing has changed', async () => {
    await using context = await browser.newContext();
    await context.addCookies([cookieOf(service.url)]);
    const { page, seen } = await watched(context);
    await page.goto(`${service.url}/c=${collection.uuid}/`);
    const form =
      await page.evaluate(`[...document.querySelectorAll('form#files')].map((form) => [form.getAttribute('action'), form.method,
      [...new Set([...form.elements].map((field) => field.name).filter(Boolean))].join()])`);
    expect(form).toEqual([
      ['?accept=application%2Fzip&disposition=attachment', 'post', 'dir,action,files,encoded_files'],
    ]);
    for (const box of await page.locator('td.pick input').all()) await box.check();
    const [download] = await Promise.all([page.waitForEvent('download'), page.locator('#zip').click()]);
    expect(download.suggestedFilename()).toMatch(/\.zip$/);
    expect(download.suggestedFilename()).not.toMatch(/[/\\]/);
    const path = join(directory, 'selection.zip');
    await download.saveAs(path);
    const count = await tool('python3', [
      '-c',
      'import sys, zipfile; print(len(set(zipfile.ZipFile(sys.argv[1]).namelist())))',
      path,
    ]);
    expect(Number(count)).toBe(2 * NAMES.length);
    await expectClean(page, seen);
  }, 120_000);

  test('saves single files under names that stay in the folder they are saved to', async () => {
    await using context = await browser.newContext();
    await context.addCookies([cookieOf(service.url)]);
    const { page, seen } = await watched(context);
    await page.goto(`${service.url}/c=${collection.uuid}/`);
    for (const name of NAMES.filter((_, i) => i % 3 === 0)) {
      const [download] = await Promise.all([
        page.waitForEvent('download'),
        page
          .goto(`${service.url}/c=${collection.uuid}/_/${encodeURIComponent(name)}?disposition=attachment`)
          .catch(() => {}),
      ]);
      expect(download.suggestedFilename()).not.toMatch(/[/\\\n\r\0]|^\.\.?$/);
      const path = join(directory, 'single');
      await download.saveAs(path);
      expect(await readFile(path, 'latin1'), name).toBe(String.fromCharCode(0x41 + NAMES.indexOf(name)));
    }
    await expectClean(page, seen);
  }, 120_000);

  test('shows projects and collections in the tree of everything as text', async () => {
    const evil = `"><img src=x onerror="${OWNED}"><script>${OWNED}<script>`;
    const project = await api(service, 'groups', { body: { group: { group_class: 'project', name: evil } } });
    expect(project.status).toBe(200);
    await createCollection(service, '', { name: `${evil} inside`, owner_uuid: project.json.uuid });
    await using context = await browser.newContext();
    await context.addCookies([cookieOf(service.url)]);
    const { page, seen } = await watched(context);
    for (const path of ['/', '/users/', `/by_id/${project.json.uuid}/`, `/c=${project.json.uuid}/`]) {
      await page.goto(`${service.url}${path}`);
      await expectClean(page, seen);
      for (const href of (await page.evaluate(`[...document.links].map((a) => a.href)`)) as string[])
        expect(href.startsWith(`${service.url}/`), href).toBe(true);
    }
    const listed = await page.locator('a.item').allTextContents();
    expect(listed.join()).toContain('onerror');
    await shoot(page, 'hostile-3-project');
  });

  test('shows addresses of nothing, refusals and the sign-in page without a word of theirs running', async () => {
    await using context = await browser.newContext();
    const { page, seen } = await watched(context);
    const payload = `"><script>${OWNED}</script><img src=x onerror="${OWNED}">`;
    const encoded = encodeURIComponent(payload);
    for (const path of [
      `/${encoded}`,
      `/c=${collection.uuid}/${encoded}`,
      `/c=${collection.uuid}/${encoded}/`,
      `/c=${encoded}/`,
      `/c=${collection.uuid}/?sort=${encoded}&page=${encoded}`,
      `/c=${collection.uuid}/t=${encoded}/x`,
      `/collections/download/${collection.uuid}/${encoded}/x`,
      `/by_id/${encoded}/`,
      `/users/${encoded}/`,
      `/c=${collection.uuid}/?accept=application/zip&files=${encoded}&download_filename=${encoded}`,
      `/arvados/v1/collections/${encoded}`,
      `/arvados/v1/${encoded}?filters=${encoded}`,
      `/index/${encoded}`,
      `/acbd18db4cc2f85cedef654fccc4a4d8+3+A${encoded}`,
    ]) {
      for (const cookies of [[], [cookieOf(service.url)]]) {
        await context.clearCookies();
        await context.addCookies(cookies);
        await page.goto(`${service.url}${path}`);
        expect(seen, path).toEqual([]);
        expect(await page.evaluate('window.__x'), path).toBeUndefined();
        expect(await page.locator('img, [onerror]').count(), path).toBe(0);
        if (path.startsWith(`/c=${collection.uuid}/%`) && cookies.length === 0) await shoot(page, 'hostile-4-sign-in');
      }
    }
  }, 120_000);

  describe("with an attacker's page in a collection", () => {
    const SECRET = blockOf('what only its readers may see');
    /** Runs in the visitor's browser and tells the title what it could get. */
    const script = (targets: string[]) => `(async () => {
      const got = ['ran', 'cookie=' + document.cookie, 'referrer=' + document.referrer];
      for (const url of ${JSON.stringify(targets)}) for (const credentials of ['include', 'same-origin']) {
        try {
          const answer = await fetch(url, { credentials });
          got.push(answer.status + ' ' + (await answer.text()).slice(0, 2000));
        } catch (error) { got.push('refused'); }
      }
      document.documentElement.setAttribute('data-got', got.join('\\n'));
      document.title = 'done';
    })()`;

    test.each(['html', 'svg'])(
      'an uploaded .%s is saved where origins are shared, and on an origin of its own gets no cookie and nothing else',
      async (type) => {
        const port = new URL(service.url).port;
        const [secret] = await stored(service, SECRET);
        const target = await createCollection(service, `. ${secret.locator} 0:${secret.data.length}:secret.txt\n`);
        const targets = [
          `/c=${target.uuid}/secret.txt`,
          `/by_id/${target.uuid}/secret.txt`,
          '/arvados/v1/users/current',
          '/arvados/v1/api_client_authorizations/current',
          `/arvados/v1/collections/${target.uuid}`,
          `/${secret.locator}`,
          '/index',
          `${service.url}/c=${target.uuid}/secret.txt`,
          `${service.url}/arvados/v1/collections`,
          `http://${target.uuid}.localhost:${port}/secret.txt`,
        ];
        const body =
          type === 'html'
            ? `<!doctype html><title>x</title><script>${script(targets)}</script>`
            : `<svg xmlns="http://www.w3.org/2000/svg"><script><![CDATA[${script(targets).replaceAll('document.title', 'window.ready')}]]></script></svg>`;
        const [page] = await stored(service, blockOf(body));
        const evil = await createCollection(service, `. ${page.locator} 0:${page.data.length}:evil.${type}\n`);
        const own = `http://${evil.uuid}.localhost:${port}`;
        await using context = await browser.newContext();
        // The visitor is signed in everywhere: at the shared host, at this collection's and at the other's.
        await context.addCookies(
          [service.url, own, `http://${target.uuid}.localhost:${port}`].map((url) => cookieOf(url)),
        );
        const tab = await context.newPage();
        for (const path of [`/c=${evil.uuid}/evil.${type}`, `/by_id/${evil.uuid}/evil.${type}`]) {
          const [download] = await Promise.all([
            tab.waitForEvent('download'),
            tab.goto(`${service.url}${path}`).catch(() => {}),
          ]);
          expect(download.suggestedFilename()).toBe(`evil.${type}`);
        }
        await tab.goto(`${own}/evil.${type}`);
        await tab.waitForFunction(`document.documentElement.hasAttribute('data-got')`);
        const got = String(await tab.evaluate(`document.documentElement.getAttribute('data-got')`));
        expect(got.split('\n').slice(0, 3)).toEqual(['ran', 'cookie=', 'referrer=']);
        expect(got).not.toContain('what only its readers');
        expect(got).not.toContain(ROOT_TOKEN);
        expect(got).not.toContain(target.uuid);
        expect(got).not.toMatch(/^200/m);
        // What it tried is there for who may read it.
        const there = await tab.request.get(`http://127.0.0.1:${port}/c=${target.uuid}/secret.txt`);
        expect(await there.text()).toBe('what only its readers may see');
      },
    );
  });
});
