import { env } from 'cloudflare:workers';
import { expect, test } from 'vitest';
import { createGatheredFigures, type FigureShardHandle } from '../../../src/http/gathered-figures.ts';
import { countLatency } from '../../../src/http/metrics.ts';
import { noteError } from '../../../src/http/recent-errors.ts';

const namespace = (env as { FIGURES: DurableObjectNamespace }).FIGURES;

/** An isolate's side, on objects that only this test has. */
function isolate(test: string) {
  const shardOf = (name: string) => namespace.getByName(`${test} ${name}`) as unknown as FigureShardHandle;
  return createGatheredFigures(
    shardOf,
    () => undefined,
    async () => undefined,
  );
}

const failure = (n: number) => ({
  time: new Date(1_700_000_000_000 + n * 1000).toISOString(),
  requestId: `req-${n}`,
  method: 'GET',
  path: '/',
  status: 500,
  message: 'failed',
});

test('errors that any isolate met are told by each, newest first, and the oldest are dropped', async () => {
  const [one, other] = [isolate('errors'), isolate('errors')];
  noteError(failure(1));
  await one.read();
  noteError(failure(2));
  await other.read();
  expect((await one.errors()).map(({ requestId }) => requestId)).toEqual(['req-2', 'req-1']);
  for (let n = 3; n < 203; n += 40) {
    for (let i = n; i < n + 40; i++) noteError(failure(i));
    await one.read();
  }
  const kept = await other.errors();
  expect([kept.length, kept[0]?.requestId]).toEqual([50, 'req-202']);
});

test('requests of an hour are added up by how they ended', async () => {
  const [one, other] = [isolate('hours'), isolate('hours')];
  for (const code of [200, 206, 404, 500]) countLatency('blocks', code, 250);
  await one.read();
  countLatency('files', 200, 1000);
  const hours = await other.hours();
  expect(hours.reduce((sum, { ok, refused, failed }) => sum + ok + refused + failed, 0)).toBe(5);
  expect(hours.reduce((sum, { seconds }) => sum + seconds, 0)).toBe(2);
  expect(hours.reduce((sum, { refused }) => sum + refused, 0)).toBe(1);
});

test('what could not be handed over is kept, errors too', async () => {
  let isDown = true;
  const shardOf = (name: string) =>
    isDown
      ? ({ add: () => Promise.reject(new Error('down')), read: async () => [] } as unknown as FigureShardHandle)
      : (namespace.getByName(`down ${name}`) as unknown as FigureShardHandle);
  const figures = createGatheredFigures(
    shardOf,
    () => undefined,
    async () => undefined,
  );
  noteError(failure(7));
  await figures.read();
  isDown = false;
  expect((await figures.errors()).map(({ requestId }) => requestId)).toEqual(['req-7']);
});
