import { mkdir, readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Browser } from 'playwright-core';
import { startBrowser } from '../support/browser.ts';
import { startService } from '../support/service.ts';
import { type FilledPage, fillService } from './filled.ts';
import { sessionOf } from './pages.ts';

/**
 * `npm run pictures -- DIRECTORY [NAME...]`: pictures of every page of a filled service, to be looked at. One sheet for each
 * page: desktop and phone, light and dark, side by side.
 */
const [, , out = '', ...names] = process.argv;
if (out === '') throw new Error('name a directory for the pictures');
const MAX_HEIGHT = 1500;
const LOOKS = [
  { screen: 'desktop', width: 1280, colorScheme: 'light' },
  { screen: 'desktop', width: 1280, colorScheme: 'dark' },
  { screen: 'phone', width: 390, colorScheme: 'light' },
  { screen: 'phone', width: 390, colorScheme: 'dark' },
] as const;

await mkdir(out, { recursive: true });
await using service = await startService();
const { pages } = await fillService(service);
const browser = await startBrowser();
for (const page of pages) {
  if (names.length > 0 && !names.some((name) => page.name.startsWith(name))) continue;
  const pictures: Buffer[] = [];
  for (const look of LOOKS) pictures.push(await shoot(browser, page, look));
  await sheet(browser, pictures, join(resolve(out), `${page.name}.png`));
  console.log(page.name);
}
await browser.close();

async function shoot(
  browser: Browser,
  { name, path, who, status }: FilledPage,
  { screen, width, colorScheme }: (typeof LOOKS)[number],
): Promise<Buffer> {
  const context = await browser.newContext({
    viewport: { width, height: 800 },
    colorScheme,
    hasTouch: screen === 'phone',
  });
  if (who !== null) await context.addCookies([sessionOf(who, service.url)]);
  const page = await context.newPage();
  const answer = await page.goto(service.url + path);
  if (answer?.status() !== status) console.log(`${name}: ${answer?.status()} in place of ${status}`);
  await page.waitForLoadState('networkidle');
  const [wide, high] = (await page.evaluate(
    '[document.documentElement.scrollWidth, document.documentElement.scrollHeight]',
  )) as number[];
  if ((wide ?? 0) > width) console.log(`${name}: ${wide} pixels wide on a screen of ${width}`);
  await page.setViewportSize({ width, height: Math.min(MAX_HEIGHT, Math.max(high ?? 0, 500)) });
  const file = join(out, `${name}-${screen}-${colorScheme}.png`);
  await page.screenshot({ path: file });
  await context.close();
  return readFile(file);
}

async function sheet(browser: Browser, pictures: Buffer[], path: string): Promise<void> {
  const page = await browser.newPage({ viewport: { width: 2000, height: 600 } });
  const images = pictures.map(
    (data, i) => `<img width="${[700, 700, 260, 260][i]}" src="data:image/png;base64,${data.toString('base64')}">`,
  );
  await page.setContent(
    `<body style="margin:8px;background:#888;display:flex;gap:8px;align-items:start">${images.join('')}`,
  );
  await page.screenshot({ path, fullPage: true });
  await page.close();
}
