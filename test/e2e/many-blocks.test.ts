import { expect, test } from 'vitest';
import { blockOf, eachOf, getBlock, md5, putBlock, request } from '../support/keep.ts';
import { startService } from '../support/service.ts';

test('10,000 small blocks go in and come back', async () => {
  await using service = await startService();
  const blocks = Array.from({ length: 10_000 }, (_, index) => blockOf(`small block number ${index}`));
  await eachOf(blocks, 16, async (block) => void (await putBlock(service.url, block)));
  await eachOf(blocks, 16, async (block) => {
    const answer = await getBlock(service.url, block);
    if (answer.status !== 200 || md5(answer.body) !== block.hash) throw new Error(`${block.hash}: ${answer.status}`);
  });
  const index = await request(`${service.url}/index`);
  expect(index.text.trimEnd().split('\n')).toHaveLength(blocks.length);
}, 900_000);
