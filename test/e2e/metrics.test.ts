import { expect, test } from 'vitest';
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
