import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { api, type TestUser } from '../support/api.ts';
import { startBrowser } from '../support/browser.ts';
import { createCollection, stored } from '../support/collections.ts';
import { bearer, blockOf } from '../support/keep.ts';
import { startService, type TestService } from '../support/service.ts';
import { hasTool } from '../support/tools.ts';
import { type Filled, fillService } from './filled.ts';
import { sessionOf } from './pages.ts';

/** Scripts of this repository that a page loads at first, compressed; igv.js and readers of tables come when they are asked for. */
const MAX_SCRIPT_BYTES = 60 * 1024;

describe.runIf(hasTool('chromium'))('every page of a filled service', () => {
  let service: TestService;
  let browser: Browser;
  let filled: Filled;
  const asked: string[] = [];
  const outside = createServer((incoming, answer) => {
    asked.push(incoming.url ?? '');
    answer.end('x');
  });

  beforeAll(async () => {
    outside.listen(0, '127.0.0.1');
    await once(outside, 'listening');
    service = await startService();
    const { port } = outside.address() as AddressInfo;
    filled = await fillService(service, `http://elsewhere.localhost:${port}`);
    browser = await startBrowser();
  });
  afterAll(async () => {
    await browser?.close();
    await service?.stop();
    outside.close();
  });

  const contextOf = async (who: TestUser | null, options = {}): Promise<BrowserContext> => {
    const context = await browser.newContext(options);
    if (who !== null) await context.addCookies([sessionOf(who, service.url)]);
    return context;
  };

  test('runs no text as a script and asks no other host, loads at most 60 KiB of scripts, fits a phone, and has names for what it has', async () => {
    const contexts = new Map<TestUser | null, BrowserContext>();
    for (const who of [null, filled.ann, filled.bob, filled.cid])
      contexts.set(who, await contextOf(who, { viewport: { width: 390, height: 800 } }));
    const problems: string[] = [];
    let page: Page | undefined;
    for (const { name, path, who, status } of filled.pages) {
      await page?.close();
      page = await contexts.get(who)?.newPage();
      if (page === undefined) throw new Error(name);
      const say = (text: string) => problems.push(`${name}: ${text}`);
      page.on('pageerror', (error) => say(String(error)));
      page.on('console', (message) => {
        if (/Content Security Policy/.test(message.text())) say(message.text());
      });
      const scripts: Promise<Buffer>[] = [];
      page.on('response', (response) => {
        if (new URL(response.url()).hostname !== '127.0.0.1') say(`asked ${response.url()}`);
        if (/\.js$/.test(new URL(response.url()).pathname)) scripts.push(response.body());
      });
      const answer = await page.goto(service.url + path);
      if (answer?.status() !== status) say(`${answer?.status()} in place of ${status}`);
      const bytes = (await Promise.all(scripts)).reduce((sum, body) => sum + gzipSync(body).length, 0);
      if (bytes > MAX_SCRIPT_BYTES) say(`${bytes} bytes of scripts`);
      for (const fault of (await page.evaluate(FAULTS)) as string[]) say(fault);
    }
    expect(problems).toEqual([]);
    expect(asked).toEqual([]);
    for (const context of contexts.values()) await context.close();
  });

  test('its forms work without JavaScript: making, editing, renaming, deleting with undo, sharing, tokens, signing out', async () => {
    await using context = await contextOf(filled.ann, { javaScriptEnabled: false });
    const page = await context.newPage();
    const press = (name: string | RegExp) => page.getByRole('button', { name }).first().click();
    await page.goto(`${service.url}/`);
    await press('New project');
    await page.getByLabel('Name', { exact: true }).fill('Without scripts');
    await press('Save');
    await press('New collection');
    await page.getByLabel('Name', { exact: true }).fill('Plain');
    await press('Save');
    const uuid = /c=([^/]+)/.exec(page.url())?.[1] ?? '';
    const [block] = await stored(service, blockOf('text'));
    const manifest = ['a b.txt', 'c.txt', 'd/e.txt'].map((path) => {
      const [directory, name] = path.includes('/') ? ['./d', 'e.txt'] : ['.', path.replace(' ', '\\040')];
      return `${directory} ${block?.locator} 0:${path === 'c.txt' ? 3 : 4}:${name}\n`;
    });
    const body = { collection: { manifest_text: manifest.join('') } };
    expect((await api(service, `collections/${uuid}`, { method: 'PATCH', body })).status).toBe(200);
    await page.goto(`${service.url}/c=${uuid}/`);
    expect(await page.getByRole('navigation', { name: 'Path' }).textContent()).toContain('Without scripts');
    const names = () => page.locator('a.item').allTextContents();

    // Selected files and directories go to the trash as one, and come back as they were.
    await page.getByLabel('Select a b.txt').check();
    await page.getByLabel('Select d', { exact: true }).check();
    await press('Delete selected');
    expect(await names()).toEqual(['c.txt']);
    await press('Undo');
    expect(await names()).toEqual(['d/', 'a b.txt', 'c.txt']);
    const back = await fetch(`${service.url}/c=${uuid}/d/e.txt`, { headers: bearer(filled.ann.token) });
    expect(await back.text()).toBe('text');
    await page.goto(`${service.url}/workspace/trash`);
    expect(await page.getByText('a b.txt').count()).toBe(0);

    // One file, from the trash; what has its name meanwhile stays.
    await page.goto(`${service.url}/c=${uuid}/c.txt?preview`);
    await page.getByRole('link', { name: 'Rename or delete' }).click();
    await press('Delete the file');
    expect(await names()).toEqual(['d/', 'a b.txt']);
    await page.goto(`${service.url}/workspace/file/${uuid}?encoded_path=a%2520b.txt`);
    await page.getByLabel('Name and place in the collection').fill('c.txt');
    await press('Rename');
    expect(await names()).toEqual(['d/', 'c.txt']);
    await page.getByRole('link', { name: 'Trash' }).click();
    await page
      .getByRole('row', { name: /c\.txt, deleted from Plain/ })
      .getByRole('button', { name: 'Bring back' })
      .click();
    expect(await names()).toEqual(['d/', 'c (restored).txt', 'c.txt']);

    // What someone else wrote into properties puts no files into one's collection.
    const planted = {
      manifest_text: `. ${block?.locator} 0:4:planted.txt\n`,
      owner_uuid: filled.ann.uuid,
      name: 'Planted',
      properties: { keep_edge_deleted_from: uuid, keep_edge_deleted_directory: '' },
      trash_at: '2020-01-01T00:00:00Z',
    };
    const made = await api(service, 'collections', { method: 'POST', body: { collection: planted } });
    expect(made.status).toBe(200);
    await page.getByRole('link', { name: 'Trash' }).click();
    await page
      .getByRole('row', { name: /Planted/ })
      .getByRole('button', { name: 'Bring back' })
      .click();
    expect(page.url()).not.toContain(uuid);
    expect(await names()).toEqual(['planted.txt']);

    await page.getByRole('link', { name: 'Share' }).first().click();
    await page.getByLabel('User name, e-mail address or group').fill('cid@example.org');
    await press('Share');
    expect(await page.getByRole('row', { name: /cid/ }).textContent()).toContain('may read');
    await press('Make a link');
    expect(await page.locator('#new-link').textContent()).toContain('/t=');
    await page.goto(`${service.url}/workspace/tokens`);
    await press('Make a token');
    expect(await page.locator('#secret').textContent()).toMatch(/^v2\//);
    await page.goto(`${service.url}/workspace/search?q=plain`);
    expect(await page.getByRole('link', { name: 'Plain' }).count()).toBeGreaterThan(0);
    await page.locator('details.menu summary').click();
    await press('Sign out');
    expect(await page.getByRole('button', { name: 'Sign in' }).count()).toBe(1);
  });

  test('deleting goes on where no copy can be kept, when the person says so', async () => {
    const [block] = await stored(service, blockOf('12345678'));
    const { uuid } = await createCollection(service, `. ${block?.locator} 0:8:full.txt\n`, {
      owner_uuid: filled.cid.uuid,
    });
    const quota = (bytes: number | null) =>
      fetch(`${service.url}/keep-edge/v1/quotas/${filled.cid.uuid}`, {
        method: 'PUT',
        headers: { authorization: `Bearer ${service.rootToken}`, 'content-type': 'application/json' },
        body: JSON.stringify({ bytes }),
      });
    expect((await quota(1)).ok).toBe(true);
    await using context = await contextOf(filled.cid);
    const page = await context.newPage();
    await page.goto(`${service.url}/workspace/file/${uuid}?encoded_path=full.txt`);
    await page.getByRole('button', { name: 'Delete the file' }).click();
    expect(await page.getByRole('alert').textContent()).toMatch(/Nothing is deleted yet.*quota/);
    expect((await fetch(`${service.url}/c=${uuid}/full.txt`, { headers: bearer(filled.cid.token) })).status).toBe(200);
    await page.getByRole('button', { name: 'Delete for good' }).click();
    expect(await page.locator('a.item').count()).toBe(0);
    await quota(null);
  });

  test('signing out, and signing in as another, ends the session and all that was handed out for it', async () => {
    const made = await createCollection(service, '', { owner_uuid: filled.ann.uuid });
    const enter = async (page: Page, user: TestUser) => {
      const { json } = await api(service, 'api_client_authorizations', {
        body: { api_client_authorization: { owner_uuid: user.uuid, scopes: ['POST /workspace/enter'] } },
      });
      await page.goto(`${service.url}/workspace/enter?code=${encodeURIComponent(`v2/${json.uuid}/${json.api_token}`)}`);
      await page.getByRole('button', { name: /^Continue as/ }).click();
      await page.waitForURL(`${service.url}/`);
    };
    const held = async (context: BrowserContext, url: string) =>
      Buffer.from(
        (await context.cookies(url)).find(({ name }) => name === 'arvados_api_token')?.value ?? '',
        'base64url',
      ).toString();
    const opens = async (token: string) => (await api(service, `collections/${made.uuid}`, { token })).status === 200;
    for (const end of ['sign out', 'another account']) {
      await using context = await browser.newContext();
      const page = await context.newPage();
      await enter(page, filled.ann);
      const session = await held(context, service.url);
      await page.goto(`${service.url}/workspace/open/${made.uuid}/`);
      const preview = await held(context, page.url());
      expect([end, await opens(session), await opens(preview), preview === session]).toEqual([end, true, true, false]);
      await page.goto(`${service.url}/`);
      if (end === 'sign out') {
        await page.locator('details.menu summary').click();
        await page.getByRole('button', { name: 'Sign out' }).click();
        await page.getByRole('button', { name: 'Sign in' }).waitFor();
      } else await enter(page, filled.bob);
      await expect.poll(async () => [end, await opens(session), await opens(preview)]).toEqual([end, false, false]);
    }
  });
});

/** Faults of a page that a program can see: what a screen reader could not name, what is wider than a phone. */
const FAULTS = `(() => {
  const faults = [];
  const name = (element) => (element.getAttribute('aria-label') ?? element.textContent ?? '').trim();
  if (document.title.startsWith('owned')) faults.push('a script ran');
  const injected = 'main script, main style:not([nonce]), main iframe, main base, main meta, main [onerror], main [onload], main [onfocus]';
  for (const element of document.querySelectorAll(injected)) faults.push('has ' + element.tagName);
  if (document.documentElement.scrollWidth > innerWidth) faults.push(document.documentElement.scrollWidth + ' pixels wide');
  if (document.documentElement.lang !== 'en') faults.push('no language');
  if (document.querySelectorAll('h1').length !== 1) faults.push(document.querySelectorAll('h1').length + ' headings of the first level');
  if (document.querySelectorAll('main').length !== 1) faults.push('no main');
  let level = 1;
  for (const heading of document.querySelectorAll('h1,h2,h3,h4,h5,h6')) {
    const own = Number(heading.tagName.slice(1));
    if (own > level + 1) faults.push('heading ' + heading.textContent + ' skips a level');
    level = own;
  }
  for (const element of document.querySelectorAll('a[href],button,summary'))
    if (name(element) === '') faults.push('no name: ' + element.outerHTML.slice(0, 80));
  for (const element of document.querySelectorAll('input:not([type=hidden]),select,textarea'))
    if (element.labels.length === 0 && !element.getAttribute('aria-label')) faults.push('no label: ' + element.outerHTML.slice(0, 80));
  for (const image of document.images) if (!image.hasAttribute('alt')) faults.push('no alternative text: ' + image.src);
  const ids = [...document.querySelectorAll('[id]')].map(({ id }) => id);
  for (const id of ids) if (ids.indexOf(id) !== ids.lastIndexOf(id)) faults.push('id twice: ' + id);
  for (const table of document.querySelectorAll('main table')) if (!table.tHead && !table.querySelector('th')) faults.push('a table without headings');
  return faults;
})()`;
