import { generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { api, createToken, createUser, type TestUser } from '../support/api.ts';
import { startBrowser } from '../support/browser.ts';
import { createCollection, stored } from '../support/collections.ts';
import { blockOf, request } from '../support/keep.ts';
import { startService, type TestService } from '../support/service.ts';
import { hasTool } from '../support/tools.ts';

/** The pages for people, in a real browser. KEEP_EDGE_SCREENSHOTS names a directory for pictures to be looked at. */
describe.runIf(hasTool('chromium'))('the workspace', () => {
  let service: TestService;
  let browser: Browser;
  let ann: TestUser;
  let bob: TestUser;
  let directory: string;
  const shots = process.env.KEEP_EDGE_SCREENSHOTS;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'keep-edge-workspace-'));
    if (shots !== undefined) await mkdir(shots, { recursive: true });
    service = await startService();
    ann = await createUser(service, 'ann', {
      last_name: 'Miller',
      is_admin: true,
      is_active: true,
      email: 'ann@example.org',
    });
    bob = await createUser(service, 'bob', { is_active: true, email: 'bob@example.org' });
    browser = await startBrowser();
  });
  afterAll(async () => {
    await browser?.close();
    await service?.stop();
    await rm(directory, { recursive: true, force: true });
  });

  const signIn = async (context: BrowserContext, { token }: TestUser) => {
    const value = Buffer.from(token).toString('base64url');
    await context.addCookies([{ name: 'arvados_api_token', value, url: service.url, httpOnly: true }]);
  };
  const shoot = async (page: Page, name: string) => {
    if (shots !== undefined) await page.screenshot({ path: join(shots, `workspace-${name}.png`), fullPage: true });
  };
  /** What the page must never do: break its own policy, throw, or ask another host. */
  const watch = (page: Page) => {
    const problems: string[] = [];
    page.on('pageerror', (error) => problems.push(String(error)));
    page.on('console', (message) => {
      if (/Content Security Policy/.test(message.text())) problems.push(message.text());
    });
    page.on('request', (asked) => {
      const { hostname } = new URL(asked.url());
      if (!/^(127\.0\.0\.1|.*\.localhost|localhost)$/.test(hostname) && !asked.url().startsWith('data:'))
        problems.push(asked.url());
    });
    return problems;
  };

  test('signs in once by a link, makes a collection, uploads a folder, finds it, shares it by a link, takes that back, deletes and undoes', async () => {
    await using context = await browser.newContext();
    const page = await context.newPage();
    const problems = watch(page);
    await page.goto(`${service.url}/`);
    await shoot(page, 'welcome');
    const code = await createToken(service, ann.uuid, { scopes: ['POST /workspace/enter'] });
    const link = `${service.url}/workspace/enter?code=${encodeURIComponent(code)}`;
    await page.goto(link);
    await page.getByRole('button', { name: 'Continue as ann Miller' }).click();
    await page.waitForURL(`${service.url}/`);
    expect(await page.getByRole('heading', { level: 1 }).textContent()).toBe('ann Miller');
    expect(await page.evaluate('document.cookie')).toBe('');
    // The link is spent.
    expect((await (await browser.newContext()).request.get(link)).status()).toBe(401);

    await page.getByRole('button', { name: 'New collection' }).click();
    await page.getByLabel('Name', { exact: true }).fill('Zebrafish run 12');
    await page.getByLabel('Description Markdown').fill('Reads of **run 12**.');
    await page.getByLabel(/^Properties/).fill('species: Danio rerio\nlanes: 4');
    await page.getByRole('button', { name: 'Save' }).click();
    await page.waitForURL(/\?done=saved/);
    expect(await page.locator('.description strong').textContent()).toBe('run 12');

    const folder = join(directory, 'run');
    await mkdir(join(folder, 'größe und maß'), { recursive: true });
    const big = randomBytes(70_000_000);
    await writeFile(join(folder, 'reads.bam'), big);
    await writeFile(join(folder, 'README.md'), '# Run 12\n\nSee [the table](table.csv).\n');
    await writeFile(join(folder, 'table.csv'), 'sample,reads\nA,1\n"B, twice",2\n');
    await writeFile(join(folder, 'größe und maß', '100 % sure.txt'), 'text\n');
    for (let i = 0; i < 40; i++) await writeFile(join(folder, `part-${i}.txt`), `part ${i}\n`);
    await page.getByRole('link', { name: 'Upload', exact: true }).click();
    await page.setInputFiles('#choose-folder', folder);
    await page.waitForURL(/\?done=uploaded/, { timeout: 120_000 });
    expect(problems).toEqual([]);
    const uuid = /c=([^/]+)/.exec(page.url())?.[1] ?? '';
    await page.goto(`${service.url}/c=${uuid}/run/`);
    expect(await page.locator('a.item').allTextContents()).toEqual([
      'größe und maß/',
      ...Array.from({ length: 40 }, (_, i) => `part-${i}.txt`),
      'README.md',
      'reads.bam',
      'table.csv',
    ]);
    expect(await page.locator('.readme .markdown h2').textContent()).toBe('Run 12');
    await shoot(page, 'collection');
    const back = await fetch(`${service.url}/c=${uuid}/run/reads.bam`, {
      headers: { authorization: `Bearer ${ann.token}` },
    });
    expect(Buffer.from(await back.arrayBuffer()).equals(big)).toBe(true);
    // Small files share a block.
    const { json: record } = await api(service, `collections/${uuid}`, { token: ann.token });
    expect(new Set([...record.manifest_text.matchAll(/[0-9a-f]{32}\+\d+/g)].map(([locator]) => locator)).size).toBe(2);

    await page.getByLabel('Filter these files').fill('part 3');
    await page.getByLabel('Filter these files').fill('part-3');
    expect(await page.locator('tbody tr:visible').count()).toBe(11);
    await page.getByLabel('Filter these files').fill('');
    await page.getByRole('link', { name: 'table.csv', exact: true }).first().click();
    await page.waitForURL(/table\.csv\?preview/);
    expect(await page.locator('.grid td').allTextContents()).toEqual(['A', '1', 'B, twice', '2']);

    await page.getByRole('searchbox', { name: /Search/ }).fill('zebrafish');
    await page.keyboard.press('Enter');
    await page.getByRole('link', { name: 'Zebrafish run 12' }).click();

    await page.getByRole('link', { name: 'Share' }).first().click();
    await page.getByLabel('User name, e-mail address or group').fill('bob');
    await page.getByRole('button', { name: 'Share', exact: true }).click();
    expect(await page.locator('table.plain').first().textContent()).toContain('may read');
    await page.getByLabel('For').fill('reviewers');
    await page.getByRole('button', { name: 'Make a link' }).click();
    const shared = (await page.locator('#new-link').textContent()) ?? '';
    await shoot(page, 'share');
    await using stranger = await browser.newContext();
    const other = await stranger.newPage();
    const seen = watch(other);
    await other.goto(`${shared}run/`);
    expect(await other.locator('a.item').count()).toBe(44);
    await other.getByRole('link', { name: 'table.csv', exact: true }).first().click();
    await other.waitForURL(/table\.csv\?preview/);
    expect(await other.getByRole('link', { name: 'Rename or delete' }).count()).toBe(0);
    expect(seen).toEqual([]);
    await page.getByRole('button', { name: 'Revoke' }).click();
    await page.waitForURL(/\/workspace\/share\//);
    await expect.poll(async () => (await other.goto(shared))?.status()).toBe(404);

    await page.goto(`${service.url}/c=${uuid}/`);
    await page.getByRole('button', { name: 'Delete collection' }).click();
    await page.getByRole('button', { name: 'Undo' }).click();
    await page.waitForURL(/\?done=restored/);
    await page.getByRole('button', { name: 'Delete collection' }).click();
    await page.getByRole('link', { name: 'Trash' }).click();
    await shoot(page, 'trash');
    await page.getByRole('button', { name: 'Bring back' }).click();
    await page.waitForURL(/\?done=restored/);
    await page.goto(`${service.url}/`);
    await shoot(page, 'start');
    await page.locator('details.menu summary').click();
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByRole('button', { name: 'Sign in' }).waitFor();
    expect(problems).toEqual([]);
  });

  test('names, descriptions, Markdown, SVG and HTML run nothing and ask no other host', async () => {
    const asked: string[] = [];
    const outside = createServer((incoming, answer) => {
      asked.push(incoming.url ?? '');
      answer.end('x');
    }).listen(0, '127.0.0.1');
    await once(outside, 'listening');
    const { port } = outside.address() as AddressInfo;
    const elsewhere = `http://elsewhere.localhost:${port}`;
    const evil = `<script>document.title='owned'</script><img src=x onerror="document.title='owned'"><img src="${elsewhere}/image"> ![x](${elsewhere}/markdown) [x](javascript:document.title='owned') <style>@import '${elsewhere}/style'</style>`;
    const svg = `<svg xmlns="http://www.w3.org/2000/svg"><script>document.title='owned'</script><image href="${elsewhere}/svg"/></svg>`;
    const page = `<!doctype html><script>document.title='owned '+document.cookie</script><img src="${elsewhere}/html">`;
    const csv = `a,b\n"${evil.replaceAll('"', '""')}",2\n`;
    const [block] = await stored(service, blockOf(evil + svg + page + csv));
    const sizes = [evil, svg, page, csv].map((text) => Buffer.byteLength(text));
    const places = sizes.map((size, i) => `${sizes.slice(0, i).reduce((sum, n) => sum + n, 0)}:${size}`);
    const { uuid } = await createCollection(
      service,
      `. ${block?.locator} ${places[0]}:README.md ${places[1]}:picture.svg ${places[2]}:page.html ${places[3]}:table.csv ${places[0]}:${evil.replaceAll('/', '_').replaceAll(' ', '\\040').replaceAll(':', '\\072')}\n`,
      {
        name: evil.slice(0, 200).replaceAll('/', '_'),
        description: evil,
        properties: { [evil.slice(0, 100)]: evil },
        owner_uuid: ann.uuid,
      },
    );
    await using context = await browser.newContext();
    await signIn(context, ann);
    const tab = await context.newPage();
    const problems = watch(tab);
    for (const path of [
      `/c=${uuid}/`,
      `/c=${uuid}/README.md?preview`,
      `/c=${uuid}/picture.svg?preview`,
      `/c=${uuid}/page.html?preview`,
      `/c=${uuid}/table.csv?preview`,
      '/',
      `/workspace/search?q=${encodeURIComponent("document.title='owned'")}`,
      `/workspace/edit/${uuid}`,
      `/workspace/share/${uuid}`,
      `/workspace/upload/${uuid}?to=${encodeURIComponent(evil)}`,
      `/workspace/file/${uuid}?encoded_path=${encodeURIComponent(encodeURIComponent(evil))}`,
      `/workspace/versions/${uuid}`,
    ]) {
      const answer = await tab.goto(service.url + path);
      expect([path, answer?.status()]).toEqual([path, 200]);
      await tab.waitForLoadState('networkidle');
      expect([path, await tab.title()]).not.toEqual([path, expect.stringMatching(/^owned/)]);
      expect(await tab.locator('main script, main style, main iframe, main [onerror]').count()).toBe(0);
    }
    // Its own host runs it, with a token for this collection alone, which no script can read.
    await tab.goto(`${service.url}/workspace/open/${uuid}/page.html`);
    expect(new URL(tab.url()).hostname).toBe(`${uuid}.localhost`);
    expect(await tab.title()).toBe('owned');
    expect(asked).toEqual(['/html']);
    const cookies = await context.cookies(tab.url());
    const held = Buffer.from(cookies[0]?.value ?? '', 'base64url').toString();
    expect([cookies.length, cookies[0]?.httpOnly, held === ann.token]).toEqual([1, true, false]);
    expect((await api(service, 'users/current', { token: held })).status).toBe(403);
    expect((await api(service, `collections/${uuid}`, { token: held })).status).toBe(200);
    const others = await createCollection(service, '', { owner_uuid: ann.uuid });
    expect((await api(service, `collections/${others.uuid}`, { token: held })).status).not.toBe(200);
    // From there nothing of the workspace can be reached.
    const reached =
      await tab.evaluate(`Promise.all(['${service.url}/', '${service.url}/c=${others.uuid}/', '/workspace/tokens'].map((url) =>
      fetch(url, { credentials: 'include' }).then((answer) => answer.text(), () => '')))`);
    expect(String(reached)).not.toContain('ann Miller');
    outside.close();
    expect(problems.filter((problem) => !problem.includes('elsewhere.localhost'))).toEqual([]);
  });

  test('signs in with an OpenID provider as the user with the same checked address, and no one else', async () => {
    const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const claims: Record<string, unknown> = { email: 'bob@example.org', email_verified: true };
    let nonce = '';
    let key = privateKey;
    const provider = createServer(async (incoming, answer) => {
      const url = new URL(incoming.url ?? '/', issuer());
      const json = (value: unknown) => answer.end(JSON.stringify(value));
      if (url.pathname === '/.well-known/openid-configuration')
        return json({
          authorization_endpoint: `${issuer()}/authorize`,
          token_endpoint: `${issuer()}/token`,
          jwks_uri: `${issuer()}/keys`,
        });
      if (url.pathname === '/keys')
        return json({ keys: [{ ...publicKey.export({ format: 'jwk' }), kid: 'k', alg: 'RS256' }] });
      if (url.pathname === '/authorize') {
        nonce = url.searchParams.get('nonce') ?? '';
        const back = new URL(url.searchParams.get('redirect_uri') ?? '');
        back.searchParams.set('code', 'code');
        back.searchParams.set('state', url.searchParams.get('state') ?? '');
        return answer.writeHead(302, { location: back.href }).end();
      }
      const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
      const text = `${part({ alg: 'RS256', kid: 'k' })}.${part({ iss: issuer(), aud: 'keep', exp: Date.now() / 1000 + 60, nonce, ...claims })}`;
      return json({ id_token: `${text}.${sign('sha256', Buffer.from(text), key).toString('base64url')}` });
    }).listen(0, '127.0.0.1');
    await once(provider, 'listening');
    const issuer = () => `http://127.0.0.1:${(provider.address() as AddressInfo).port}`;
    await service.restart({ OIDC_ISSUER: issuer(), OIDC_CLIENT_ID: 'keep', OIDC_CLIENT_SECRET: 'secret' });
    const attempt = async () => {
      await using context = await browser.newContext();
      const page = await context.newPage();
      await page.goto(`${service.url}/`);
      await page.getByRole('link', { name: /^Sign in with/ }).click();
      await page.waitForLoadState();
      return (await page.locator('h1').textContent()) ?? '';
    };
    expect(await attempt()).toBe('bob');
    claims.email_verified = false;
    expect(await attempt()).toBe('Not permitted');
    Object.assign(claims, { email_verified: true, email: 'eve@example.org' });
    expect(await attempt()).toBe('Not signed in');
    Object.assign(claims, { email: 'bob@example.org', aud: 'other' });
    expect(await attempt()).toBe('Not permitted');
    claims.aud = 'keep';
    key = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
    expect(await attempt()).toBe('Not permitted');
    provider.close();
  });

  test('a form of another site or of a collection changes nothing', async () => {
    const { uuid } = await createCollection(service, '', { name: 'stays', owner_uuid: ann.uuid });
    const cookie = `arvados_api_token=${Buffer.from(ann.token).toString('base64url')}`;
    const post = (headers: Record<string, string>) =>
      request(`${service.url}/workspace/trash/${uuid}`, {
        method: 'POST',
        headers: { cookie, 'content-type': 'application/x-www-form-urlencoded', accept: 'text/html', ...headers },
        body: '',
      });
    for (const headers of [
      {},
      { 'sec-fetch-site': 'cross-site', origin: 'https://elsewhere.example' },
      { 'sec-fetch-site': 'same-site', origin: `http://${uuid}.localhost` },
      { origin: 'null' },
    ] as Record<string, string>[])
      expect((await post(headers)).status).toBe(403);
    expect((await api(service, `collections/${uuid}`, { token: ann.token })).status).toBe(200);
    await post({ 'sec-fetch-site': 'same-origin' });
    expect((await api(service, `collections/${uuid}`, { token: ann.token })).status).toBe(404);
  });

  test('pages say what is missing: another user sees nothing of it, a wrong token signs no one in', async () => {
    const { uuid } = await createCollection(service, '', { name: 'private', owner_uuid: ann.uuid });
    await using context = await browser.newContext({ javaScriptEnabled: false });
    const page = await context.newPage();
    await page.goto(`${service.url}/c=${uuid}/`);
    await page.getByLabel('API token').fill('wrong');
    await page.getByRole('button', { name: 'Sign in' }).click();
    expect(await page.getByRole('alert').textContent()).toContain('not valid');
    await page.getByLabel('API token').fill(bob.token);
    await page.getByRole('button', { name: 'Sign in' }).click();
    expect(await page.getByRole('alert').textContent()).toContain('may not read this');
    const answer = await page.goto(`${service.url}/workspace/edit/${uuid}`);
    expect([answer?.status(), await page.textContent('body')]).toEqual([404, expect.not.stringContaining('private')]);
  });
});
