import { expect, test, vi } from 'vitest';
import { getBlock, putBlock, randomBlock, request } from '../support/keep.ts';
import { putPull, putTrash, waitForList } from '../support/queues.ts';
import { startService } from '../support/service.ts';
import { hasTool, tool } from '../support/tools.ts';

test('metrics of a service that has done something pass promtool, in form and in names', async ({ skip }) => {
  await using service = await startService();
  const block = randomBlock(1000);
  await putBlock(service.url, block);
  await getBlock(service.url, block);
  await request(`${service.url}/nonsense`);
  await putPull(service, [{ locator: 'nonsense', servers: [] }]);
  await putTrash(service, [{ locator: block.locator, mtime: 0n }]);
  await waitForList(service, 'pull');
  await waitForList(service, 'trash');
  const { status, text } = await request(`${service.url}/metrics`, { token: service.managementToken });
  expect(status).toBe(200);
  for (const name of ['request_duration_seconds', 'keep_edge_pull_queue_entries_total'])
    expect(text).toContain(`# HELP ${name} `);
  if (!hasTool('promtool')) skip('promtool is not installed');
  expect(await tool('promtool', ['check', 'metrics'], { input: text })).toBe('');
});

test('figures of all isolates add up, outlive them, and tell how long each surface takes and how it ends', async () => {
  await using service = await startService();
  const read = async () => (await request(`${service.url}/metrics`, { token: service.managementToken })).text;
  const refused = /keep_edge_request_seconds_count\{surface="blocks",outcome="refused"\} (\d+)/;
  for (let n = 0; n < 3; n++) await request(`${service.url}/${'0'.repeat(32)}+1`);
  await vi.waitFor(async () => expect(refused.exec(await read())?.[1]).toBe('3'), 10_000);
  await service.restart();
  await request(`${service.url}/${'0'.repeat(32)}+1`);
  await vi.waitFor(async () => expect(refused.exec(await read())?.[1]).toBe('4'), 10_000);
  const figures = await request(`${service.url}/keep-edge/v1/figures`);
  const { series } = JSON.parse(figures.text) as { series: Record<string, number> };
  expect(series['keep_edge_request_seconds_bucket{surface="blocks",outcome="refused",le="+Inf"}']).toBe(4);
});
