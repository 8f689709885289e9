import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Page } from 'playwright-core';
import { startBrowser } from '../../support/browser.ts';
import { cliFor } from '../../support/cli.ts';
import { startService, type TestService } from '../../support/service.ts';
import { makeReads } from './make-reads.ts';
import { drag, OBSERVE, type Step, step, watchRequests } from './tour.ts';

/**
 * `npm run test:genome-tour`: makes a BAM file, uploads it, opens it in the genome browser and moves about in it, and prints
 * what each step cost. `-- --mib 1024` for its size (20 unless told), `--steps 60`, `--files DIR` for reads that an earlier run made there,
 * `--vars '{"EDGE_CACHE": "off"}'` for another set-up.
 */
const { values } = parseArgs({
  options: {
    mib: { type: 'string', default: '20' },
    steps: { type: 'string', default: '60' },
    files: { type: 'string' },
    vars: { type: 'string', default: '{}' },
    screenshot: { type: 'string' },
    verbose: { type: 'boolean', default: false },
  },
});
const directory = values.files ?? (await mkdtemp(join(tmpdir(), 'keep-edge-genomes-')));
const isMade = await stat(join(directory, 'reads.bam.bai')).then(
  () => true,
  () => false,
);
if (!isMade) await makeReads(directory, Number(values.mib));
const { size } = await stat(join(directory, 'reads.bam'));
const fai = await readFile(join(directory, 'reference.fa.fai'), 'utf8');
const chromosomes = fai
  .trim()
  .split('\n')
  .map((line) => line.split('\t'));
await using service = await startService({ vars: JSON.parse(values.vars) as Record<string, string> });
await using browser = await startBrowser();
try {
  await using cli = await cliFor(service, 'reader');
  const uuid = await cli.ok('put', '--name', 'genomes', `${directory}/`);
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
  const value = Buffer.from(cli.token).toString('base64url');
  await context.addCookies([{ name: 'arvados_api_token', value, url: service.url, httpOnly: true }]);
  const page = await context.newPage();
  page.on('pageerror', (error) => console.log(`in the page: ${error.message}`));
  await page.addInitScript(OBSERVE);
  const watch = watchRequests(page);
  const before = await figuresOf(service);
  const steps: Step[] = [];
  steps.push(
    await step(page, watch, 'open', async () => {
      await page.goto(`${service.url}/workspace/open/${uuid}/reads.bam`);
      await page.waitForSelector('#genome .igv-viewport', { timeout: 60_000 });
      await page.locator('#genome-facts', { hasText: 'in igv.js' }).waitFor();
    }),
  );
  const opened = await figuresOf(service);
  for (const { what, act } of tour(page, Number(values.steps), chromosomes))
    steps.push(await step(page, watch, what, act));
  const after = await figuresOf(service);
  if (values.screenshot !== undefined) await page.screenshot({ path: values.screenshot });
  if (values.verbose) for (const { url, range, bytes } of watch.seen) console.log(`${bytes}\t${range}\t${url}`);
  if (values.verbose) console.table(steps);
  report(steps, size, { open: difference(before, opened), tour: difference(opened, after) });
  await context.close();
} finally {
  if (values.files === undefined) await rm(directory, { recursive: true, force: true });
}

/** What a person does: mostly drags by a screen or less, zooms in and out now and then, and goes elsewhere sometimes. */
function tour(page: Page, count: number, chromosomes: string[][]): { what: string; act: () => Promise<void> }[] {
  const zoom = (sign: 'in' | 'out') => async () => {
    const buttons = page.locator('.igv-zoom-widget svg');
    await (sign === 'out' ? buttons.first() : buttons.last()).click();
  };
  const goTo = (locus: string) => async () => {
    await page.locator('.igv-search-input').fill(locus);
    await page.keyboard.press('Enter');
  };
  const right = { what: 'drag by 0.6 screens', act: () => drag(page, -700) };
  const back = { what: 'drag back', act: () => drag(page, 500) };
  const script = [
    { what: 'zoom out', act: zoom('out') },
    ...Array.from({ length: 3 }, () => right),
    { what: 'zoom out', act: zoom('out') },
    ...Array.from({ length: 5 }, () => right),
    { what: 'zoom in', act: zoom('in') },
    back,
    back,
    { what: 'zoom in', act: zoom('in') },
  ];
  return Array.from({ length: count }, (_, i) => {
    const at = i % (script.length + 1);
    return script[at] ?? { what: 'go elsewhere', act: goTo(place(i)) };
  });

  /** Another one each time, on both chromosomes. */
  function place(i: number): string {
    const [name = '', length = ''] = chromosomes[i % chromosomes.length] ?? [];
    const start = Math.floor(Number(length) * ((i * 0.618) % 0.9)) + 1;
    return `${name}:${start}-${start + 3999}`;
  }
}

interface Figures {
  /** Answered by the service; what the browser had kept is not among them. */
  requests: number;
  operations: number;
  bytes: number;
}

async function figuresOf({ url, managementToken }: TestService): Promise<Figures> {
  const answer = await fetch(`${url}/metrics`, { headers: { Authorization: `Bearer ${managementToken}` } });
  const text = await answer.text();
  const sum = (pattern: RegExp) => [...text.matchAll(pattern)].reduce((total, [, found]) => total + Number(found), 0);
  return {
    requests: sum(/^request_duration_seconds_count\{[^}]*\} (\S+)/gm),
    operations: sum(/^arvados_keepstore_volume_operations\{[^}]*operation="get"[^}]*\} (\S+)/gm),
    bytes: sum(/^arvados_keepstore_volume_io_bytes\{[^}]*direction="in"[^}]*\} (\S+)/gm),
  };
}

function difference(before: Figures, after: Figures): Figures {
  return {
    requests: after.requests - before.requests,
    operations: after.operations - before.operations,
    bytes: after.bytes - before.bytes,
  };
}

function report(steps: Step[], fileBytes: number, store: { open: Figures; tour: Figures }): void {
  const mib = (bytes: number) => `${(bytes / 2 ** 20).toFixed(1)} MiB`;
  const line = (name: string, chosen: Step[], reads?: Figures) => {
    const sum = (of: (step: Step) => number) => chosen.reduce((total, each) => total + of(each), 0);
    const sorted = (of: (step: Step) => number) => chosen.map(of).sort((a, b) => a - b);
    const at = (list: number[], part: number) => list[Math.min(list.length - 1, Math.floor(list.length * part))] ?? 0;
    const drawn = sorted(({ drawnMs }) => drawnMs);
    const frames = sorted(({ longestFrameMs }) => longestFrameMs);
    console.log(
      `${name} (${chosen.length}): ${sum(({ requests }) => requests)} requests of the page, ${mib(sum(({ bytes }) => bytes))} over the network` +
        `${reads === undefined ? '' : `; ${reads.requests} answered by the service, which read the store ${reads.operations} times, ${mib(reads.bytes)}`}` +
        `; drawn after ${at(drawn, 0.5).toFixed(0)} ms (median), ${at(drawn, 0.95).toFixed(0)} ms (95 %), ${drawn.at(-1)?.toFixed(0)} ms (most)` +
        `; longest pause between frames ${at(frames, 0.5).toFixed(0)} ms (median), ${frames.at(-1)?.toFixed(0)} ms (most)` +
        `; long tasks ${(sum(({ longTasksMs }) => longTasksMs) / chosen.length).toFixed(0)} ms a step`,
    );
  };
  const [open, ...rest] = steps;
  console.log(`reads.bam of ${mib(fileBytes)}`);
  if (open !== undefined) line(`open, ${open.seconds.toFixed(1)} s in all`, [open], store.open);
  line('tour', rest, store.tour);
  for (const what of new Set(rest.map((each) => each.what)))
    line(
      `  ${what}`,
      rest.filter((each) => each.what === what),
    );
  console.log(
    `heap at the end ${rest.at(-1)?.heapMiB.toFixed(0)} MiB, most ${Math.max(...rest.map(({ heapMiB }) => heapMiB)).toFixed(0)} MiB`,
  );
}
