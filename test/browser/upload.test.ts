import { randomBytes, randomFillSync } from 'node:crypto';
import { mkdir, mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { api, createToken, createUser, type TestUser } from '../support/api.ts';
import { startBrowser } from '../support/browser.ts';
import { createCollection, stored } from '../support/collections.ts';
import { BLOCK_BYTES, bearer, blockOf } from '../support/keep.ts';
import { startService, type TestService } from '../support/service.ts';
import { hasTool } from '../support/tools.ts';
import { sessionOf } from './pages.ts';

/** Size of the upload that is cut off twice; KEEP_EDGE_UPLOAD_MIB=5120 is the full one, of some five minutes. */
const CUT_MIB = Number(process.env.KEEP_EDGE_UPLOAD_MIB ?? 384);
const MAX_HEAP_BYTES = 300e6;

describe.runIf(hasTool('chromium'))('an upload in the browser', () => {
  let service: TestService;
  let browser: Browser;
  let ann: TestUser;
  let bob: TestUser;
  let directory: string;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'keep-edge-upload-'));
    service = await startService();
    ann = await createUser(service, 'ann', { is_active: true });
    bob = await createUser(service, 'bob', { is_active: true });
    browser = await startBrowser();
  });
  afterAll(async () => {
    await browser?.close();
    await service?.stop();
    await rm(directory, { recursive: true, force: true });
  });

  const opened = async (user: TestUser, context: BrowserContext, uuid: string) => {
    await context.addCookies([sessionOf(user, service.url)]);
    const page = await context.newPage();
    page.on('dialog', (dialog) => void dialog.accept());
    const puts: string[] = [];
    page.on('request', (asked) => {
      if (asked.method() === 'PUT') puts.push(asked.url());
    });
    await page.goto(`${service.url}/workspace/upload/${uuid}`);
    return { page, puts };
  };
  const collectionOf = async ({ uuid }: TestUser, name: string) =>
    (await createCollection(service, '', { name, owner_uuid: uuid })).uuid;
  const stateOf = (page: Page) => page.locator('#upload-state').textContent();
  const complete = (page: Page, timeout = 120_000) => page.waitForURL(/\?done=uploaded/, { timeout });

  test(`of ${CUT_MIB} MiB that is cut off twice goes on, sends no acknowledged block twice, and stays below 300 MB of heap`, async () => {
    const uuid = await collectionOf(ann, 'cut off');
    const file = join(directory, 'large.bin');
    const handle = await open(file, 'w');
    for (let written = 0; written < CUT_MIB; written += 32) await handle.write(randomFillSync(Buffer.alloc(32 << 20)));
    await handle.close();
    const blocks = Math.ceil((CUT_MIB * 2 ** 20) / BLOCK_BYTES);
    await using context = await browser.newContext();
    const { page, puts } = await opened(ann, context, uuid);
    const cdp = await context.newCDPSession(page);
    await cdp.send('Performance.enable');
    let heap = 0;
    const measure = async () => {
      const { metrics } = await cdp.send('Performance.getMetrics');
      heap = Math.max(heap, metrics.find(({ name }) => name === 'JSHeapUsedSize')?.value ?? 0);
    };
    const acknowledged = async (least: number) => {
      await expect
        .poll(() => measure().then(() => keptBlocks(page)), { timeout: 300_000, interval: 20 })
        .toBeGreaterThanOrEqual(least);
    };
    await page.setInputFiles('#choose-files', file);
    await acknowledged(Math.ceil(blocks / 4));
    await context.setOffline(true);
    await expect.poll(() => stateOf(page), { timeout: 60_000 }).toContain('the network is down');
    await context.setOffline(false);
    await acknowledged(Math.ceil(blocks / 2));
    await page.reload();
    await expect.poll(() => stateOf(page)).toContain('choose the same files again');
    const kept = await keptBlocks(page);
    puts.length = 0;
    await page.setInputFiles('#choose-files', file);
    await expect
      .poll(() => page.locator('#upload-md5').textContent(), { timeout: 60_000 })
      .toMatch(/^MD5 by hash-wasm \(WebAssembly\), \d+ MB\/s/);
    const speed = await page.locator('#upload-md5').textContent();
    let isDone = false;
    await Promise.all([
      complete(page, 600_000).finally(() => {
        isDone = true;
      }),
      (async () => {
        for (; !isDone; await new Promise((resolve) => setTimeout(resolve, 200))) await measure().catch(() => {});
      })(),
    ]);
    console.log(`heap at most ${Math.round(heap / 1e6)} MB; ${speed}`);
    expect([puts.length, heap < MAX_HEAP_BYTES]).toEqual([blocks - kept, true]);
  }, 1_200_000);

  test('leaves out blocks of other collections that its user may read and of earlier uploads, never those of others', async () => {
    const data = randomBytes(9 << 20);
    const file = join(directory, 'known.bin');
    await writeFile(file, data);
    const [block] = await stored(service, blockOf(data));
    // Not in a place that the page looks at first: found by the file's name.
    const { json: project } = await api(service, 'groups', {
      body: { group: { group_class: 'project', name: 'elsewhere', owner_uuid: ann.uuid } },
    });
    const source = await createCollection(service, `. ${block?.locator} 0:${data.length}:known.bin\n`, {
      owner_uuid: project.uuid,
    });
    await service.scheduled();
    const upload = async (user: TestUser, context: BrowserContext, path: string) => {
      const uuid = await collectionOf(user, `copy ${randomBytes(4).toString('hex')}`);
      const { page, puts } = await opened(user, context, uuid);
      await page.setInputFiles('#choose-files', path);
      await complete(page);
      await page.close();
      const answer = await fetch(`${service.url}/c=${uuid}/${path.split('/').at(-1)}`, { headers: bearer(user.token) });
      return { puts: puts.length, bytes: (await answer.arrayBuffer()).byteLength, uuid };
    };
    await using anns = await browser.newContext();
    await using bobs = await browser.newContext();
    const found = await upload(ann, anns, file);
    const others = await upload(bob, bobs, file);
    expect([found.puts, found.bytes, others.puts, others.bytes]).toEqual([0, data.length, 1, data.length]);
    // Bob may not read Ann's: the service tells him neither the collection nor a signature.
    const cookie = `arvados_api_token=${Buffer.from(bob.token).toString('base64url')}`;
    const asked = (path: string) =>
      fetch(service.url + path, { headers: { cookie, 'sec-fetch-site': 'same-origin', accept: 'application/json' } });
    const list = await asked(`/workspace/upload/${others.uuid}/others?name=known.bin`);
    expect(await list.text()).not.toContain(source.uuid);
    expect((await asked(`/workspace/upload/${source.uuid}/manifest`)).status).toBe(404);

    // An earlier upload whose collection is gone meanwhile.
    const other = join(directory, 'earlier.bin');
    await writeFile(other, randomBytes(9 << 20));
    const first = await upload(ann, anns, other);
    await api(service, `collections/${first.uuid}/trash`, { body: {} });
    const second = await upload(ann, anns, other);
    expect([first.puts, second.puts, second.bytes]).toEqual([1, 0, 9 << 20]);
  });

  test('pauses and goes on, takes more files meanwhile, and folders that are dropped', async () => {
    const uuid = await collectionOf(ann, 'paused');
    const folder = join(directory, 'dropped');
    await mkdir(join(folder, 'below'), { recursive: true });
    await writeFile(join(folder, 'below', 'small.txt'), 'small');
    await writeFile(join(folder, 'empty.txt'), '');
    const file = join(directory, 'paused.bin');
    await writeFile(file, randomBytes(150 << 20));
    await using context = await browser.newContext();
    const { page } = await opened(ann, context, uuid);
    const cdp = await context.newCDPSession(page);
    // Slow enough to press a button meanwhile.
    await cdp.send('Network.enable');
    await cdp.send('Network.emulateNetworkConditions', {
      offline: false,
      latency: 0,
      downloadThroughput: -1,
      uploadThroughput: 8e6,
    });
    await page.setInputFiles('#choose-files', file);
    await expect.poll(() => stateOf(page), { timeout: 20_000, interval: 20 }).toMatch(/\/s, .* left/);
    await page.getByRole('button', { name: 'Pause' }).click();
    await expect.poll(() => page.locator('#upload-said').textContent()).toBe('Paused.');
    await page.getByRole('button', { name: 'Go on' }).click();
    const box = await page.locator('#drop').boundingBox();
    const at = { x: (box?.x ?? 0) + 20, y: (box?.y ?? 0) + 20 };
    const data = { items: [], files: [folder], dragOperationsMask: 1 };
    for (const type of ['dragEnter', 'dragOver', 'drop'] as const)
      await cdp.send('Input.dispatchDragEvent', { type, ...at, data });
    await expect.poll(() => stateOf(page)).toContain('2 more afterwards');
    await complete(page);
    const { json } = await api(service, `collections/${uuid}`, { token: ann.token });
    expect(json.manifest_text.match(/\.\/dropped\S*|\d+:\d+:\S+/g)?.sort()).toEqual(
      [...['./dropped', './dropped/below', '0:0:empty.txt', '0:5:small.txt', `0:${150 << 20}:paused.bin`]].sort(),
    );
  });

  test('that fails says why, in words that help', async () => {
    await using context = await browser.newContext();
    const file = join(directory, 'failing.bin');
    const attempt = async (uuid: string, path = file, meanwhile: (page: Page) => Promise<unknown> = async () => {}) => {
      const { page } = await opened(ann, context, uuid);
      await meanwhile(page);
      await page.setInputFiles('#choose-files', path);
      await expect.poll(() => stateOf(page), { timeout: 20_000 }).toContain('It stopped');
      const text = await stateOf(page);
      await page.close({ runBeforeUnload: false });
      return text;
    };
    await writeFile(file, randomBytes(1000));
    // Changed on disk after it was chosen.
    const changed = await attempt(await collectionOf(ann, 'changed'), file, async (page) => {
      await page.route(/\/manifest$/, async (route) => {
        await writeFile(file, randomBytes(2000));
        await route.continue();
      });
    });
    expect(changed).toContain('failing.bin was changed, moved or deleted since you chose it');
    const quota = (bytes: number | null) =>
      fetch(`${service.url}/keep-edge/v1/quotas/${ann.uuid}`, {
        method: 'PUT',
        headers: { ...bearer(service.rootToken), 'content-type': 'application/json' },
        body: JSON.stringify({ bytes }),
      });
    const full = await collectionOf(ann, 'full');
    await quota(1);
    expect(await attempt(full)).toMatch(/there is no room: .*quota/);
    await quota(null);
    // Shared to read only.
    const theirs = await collectionOf(bob, 'only read');
    const { json: link } = await api(service, 'links', {
      body: { link: { link_class: 'permission', name: 'can_write', tail_uuid: ann.uuid, head_uuid: theirs } },
    });
    const onlyRead = { method: 'PATCH', body: { link: { name: 'can_read' } } };
    const denied = await attempt(theirs, file, () => api(service, `links/${link.uuid}`, onlyRead));
    expect(denied).toContain('you may not store files here');
    const early = await opened(ann, context, theirs);
    expect(await early.page.getByRole('alert').textContent()).toContain('not change it');
    expect(await early.page.locator('#choose-files').count()).toBe(0);
    // Something between refuses the size.
    await writeFile(file, randomBytes(3000));
    const refused = await attempt(await collectionOf(ann, 'too large'), file, (page) =>
      page.route(/\/[0-9a-f]{32}$/, (route) => route.fulfill({ status: 413, body: '<html>Request Entity Too Large' })),
    );
    expect(refused).toContain('more than the service takes at once');
    // The token is revoked while it goes on.
    await writeFile(file, randomBytes(4000));
    const token = await createToken(service, ann.uuid);
    const revoked = { uuid: ann.uuid, token };
    const uuid = await collectionOf(ann, 'revoked');
    const { page } = await opened(revoked, context, uuid);
    await api(service, `api_client_authorizations/${token.split('/')[1]}`, { method: 'DELETE' });
    await page.setInputFiles('#choose-files', file);
    await expect.poll(() => stateOf(page), { timeout: 20_000 }).toContain('not signed in any more');
    await context.addCookies([sessionOf(ann, service.url)]);
    await page.getByRole('button', { name: 'Go on' }).click();
    await complete(page);
  });
});

function keptBlocks(page: Page): Promise<number> {
  return page.evaluate(`new Promise((resolve) => {
    indexedDB.open('keep-edge-uploads').onsuccess = ({ target }) => {
      target.result.transaction('blocks').objectStore('blocks').count().onsuccess = (event) => {
        target.result.close();
        resolve(event.target.result);
      };
    };
  })`);
}
