import type { Page, Request } from 'playwright-core';

/** What one step of the tour took. */
export interface Step {
  what: string;
  requests: number;
  /** Of the bodies that came. */
  bytes: number;
  /** Milliseconds from the end of the gesture until all is fetched and drawn. */
  drawnMs: number;
  /** Between two pictures of the browser, the longest pause, in milliseconds. */
  longestFrameMs: number;
  frames: number;
  seconds: number;
  /** Milliseconds that script held the page for more than 50 ms at once. */
  longTasksMs: number;
  heapMiB: number;
}

/** How long nothing must move before a step is over. */
const STILL_MS = 150;
const STEP_LIMIT_MS = 60_000;

/** Runs in the page from its beginning: frames and long tasks. */
export const OBSERVE = `
  window.tour = { frames: [], tasks: 0, still: 0 };
  new PerformanceObserver((list) => { for (const { duration } of list.getEntries()) tour.tasks += duration; }).observe({ type: 'longtask' });
  const isVisible = (element) => element.getClientRects().length > 0;
  const frame = (now) => {
    // A long frame: something was computed or drawn.
    if (now - (tour.frames.at(-1) ?? now) > 50) tour.still = now;
    tour.frames.push(now);
    const roots = [...document.querySelectorAll('#genome')].map((element) => element.shadowRoot ?? element);
    const isLoading = roots.some((root) => [...root.querySelectorAll('.igv-loading-spinner-container')].some(isVisible));
    if (isLoading) tour.still = now;
    requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
`;

/** Counts the page's requests, and what came in their bodies. */
export function watchRequests(page: Page) {
  const open = new Set<Request>();
  const seen: { url: string; range: string; bytes: number; fromCache: boolean }[] = [];
  let lastEnd = 0;
  const pending: Promise<unknown>[] = [];
  page.on('request', (request) => {
    if (request.url().startsWith('http')) open.add(request);
  });
  const end = async (request: Request) => {
    if (!open.delete(request)) return;
    lastEnd = Date.now();
    const response = await request.response();
    const sizes = await request.sizes().catch(() => null);
    seen.push({
      url: request.url(),
      range: request.headers().range ?? '',
      bytes: sizes?.responseBodySize ?? 0,
      fromCache: response?.fromServiceWorker() ?? false,
    });
  };
  const noted = (request: Request) => void pending.push(end(request).catch(() => undefined));
  page.on('requestfinished', noted);
  page.on('requestfailed', noted);
  return { open, seen, lastEnd: () => lastEnd, settled: () => Promise.all(pending) };
}

type Watch = ReturnType<typeof watchRequests>;

/** Does one thing, and waits until it is drawn. */
export async function step(page: Page, watch: Watch, what: string, act: () => Promise<void>): Promise<Step> {
  await watch.settled();
  const seenBefore = watch.seen.length;
  const from = await page.evaluate<{ now: number; tasks: number }>(
    // Before the first page there is nothing to ask.
    `globalThis.tour === undefined ? { now: 0, tasks: 0 } : { now: performance.now(), tasks: tour.tasks }`,
  );
  const begun = Date.now();
  await act();
  const ended = Date.now();
  const endedThere = await page.evaluate<number>('performance.now()');
  let drawn = 0;
  for (;;) {
    await page.waitForTimeout(20);
    const { now, still } = await page.evaluate<{ now: number; still: number }>(
      '({ now: performance.now(), still: tour.still })',
    );
    const quietSince = Math.max(still - endedThere, watch.lastEnd() - ended, 0);
    drawn = quietSince;
    if (watch.open.size === 0 && now - endedThere - quietSince > STILL_MS) break;
    if (Date.now() - ended > STEP_LIMIT_MS) throw new Error(`${what}: not drawn within a minute`);
  }
  const frames = await page.evaluate<number[]>(
    `tour.frames.filter((at) => at >= ${from.now} && at <= ${endedThere + drawn + 50})`,
  );
  const tasks = await page.evaluate<number>('tour.tasks');
  const heap = await page.evaluate<number>('performance.memory.usedJSHeapSize');
  await watch.settled();
  const seen = watch.seen.slice(seenBefore);
  return {
    what,
    requests: seen.length,
    bytes: seen.reduce((sum, { bytes }) => sum + bytes, 0),
    drawnMs: drawn,
    longestFrameMs: Math.max(0, ...frames.slice(1).map((at, i) => at - (frames[i] ?? at))),
    frames: frames.length,
    seconds: (Date.now() - begun) / 1000,
    longTasksMs: tasks - from.tasks,
    heapMiB: heap / 2 ** 20,
  };
}

/** Drags the alignments to the side by `pixels`. @throws Error where that moves nothing */
export async function drag(page: Page, pixels: number): Promise<void> {
  const boxes = await Promise.all((await page.locator('.igv-viewport').all()).map((each) => each.boundingBox()));
  const [box] = boxes.flatMap((each) => each ?? []).sort((a, b) => b.width * b.height - a.width * a.height);
  if (box === undefined) throw new Error('there is no track');
  const locus = page.locator('.igv-search-input');
  const before = await locus.inputValue();
  const y = box.y + Math.min(box.height / 2, 120);
  const x = box.x + box.width / 2 - pixels / 2;
  await page.mouse.move(x, y);
  await page.mouse.down();
  const moves = 24;
  for (let i = 1; i <= moves; i++) {
    await page.mouse.move(x + (pixels * i) / moves, y);
    await page.waitForTimeout(16);
  }
  await page.mouse.up();
  if ((await locus.inputValue()) === before) throw new Error(`a drag moved nothing at ${before}`);
}
