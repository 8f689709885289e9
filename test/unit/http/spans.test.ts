import { expect, test } from 'vitest';
import { createSpans } from '../../../src/http/spans.ts';

/** What the platform would be told: the local runtime samples no trace. */
const told: unknown[] = [];
const sampling = { isTraced: true };
const span = {
  get isTraced() {
    return sampling.isTraced;
  },
  setAttributes: (attributes: unknown) => told.push(attributes),
  recordException: (exception: unknown) => void told.push(exception),
  setStatus: (status: unknown) => told.push(status),
};
const scope: { isTraced: boolean | null } = { isTraced: null };
const { inSpan, nameTrace } = createSpans(
  {
    enterSpan: (name, work) => {
      told.push(name);
      return work(span);
    },
    getActiveSpan: () => span,
  },
  () => scope.isTraced,
);

test('work runs in a span with its attributes, and a failure is noted there without a token', async () => {
  const token = 'v2/xedge-gj3su-000000000000000/secretsecretsecretsecretsecretsecretsecretsecret00';
  expect(await inSpan('store get', { 'keep.device_id': 'r2://x' }, async () => 7)).toBe(7);
  await expect(inSpan('store put', {}, () => Promise.reject(new Error(`refused ${token}`)))).rejects.toThrow('refused');
  expect(told.slice(0, 2)).toEqual(['store get', { 'keep.device_id': 'r2://x' }]);
  expect(told.at(-1)).toMatchObject({ code: 'error' });
  expect(JSON.stringify(told)).not.toContain('secretsecret');
});

test('a trace is found by its request’s id', () => {
  expect(nameTrace({ requestId: 'req-x', path: '/arvados/v1/users' })).toBe(true);
  expect(told.at(-1)).toEqual({ 'keep.request_id': 'req-x', 'keep.surface': 'api' });
});

test('what is not sampled only runs', async () => {
  sampling.isTraced = false;
  told.length = 0;
  expect(await inSpan('store get', { 'keep.device_id': 'r2://x' }, async () => 7)).toBe(7);
  expect(nameTrace({ requestId: 'req-x', path: '/' })).toBe(false);
  sampling.isTraced = true;
  scope.isTraced = false;
  expect(await inSpan('store get', { 'keep.device_id': 'r2://x' }, async () => 7)).toBe(7);
  expect(told).toEqual([]);
});
