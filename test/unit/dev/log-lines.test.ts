import { expect, test } from 'vitest';
import { isRoutine, readableLine } from '../../../dev/log-lines.ts';

const response = {
  level: 'info',
  time: '2026-11-28T09:08:07.123Z',
  msg: 'response',
  version: '1.0.0',
  RequestID: 'req-x',
  reqMethod: 'GET',
  reqPath: 'c=xedge-4zz18-000000000000000/a.bam',
  respStatusCode: 206,
  respBytes: 3_250_586,
  timeToStatus: 0.01,
  timeTotal: 0.0456,
};

test('a request is one line: time, status, method, path, size, duration', () => {
  expect(readableLine(JSON.stringify(response))).toBe(
    '09:08:07 206 GET /c=xedge-4zz18-000000000000000/a.bam  3.1 MiB  46 ms',
  );
});

test('a failure ends with its reason, and is no routine', () => {
  const failed = JSON.stringify({ ...response, respStatusCode: 404, respBytes: -1, error: 'not found' });
  expect(readableLine(failed)).toBe('09:08:07 404 GET /c=xedge-4zz18-000000000000000/a.bam  46 ms not found');
  expect([isRoutine(failed), isRoutine(JSON.stringify(response))]).toEqual([false, true]);
});

test('other lines show their fields, and what is no JSON stays as it is', () => {
  const line = { level: 'warn', time: response.time, msg: 'pull failed', locator: 'x+3', error: 'no such host' };
  expect(readableLine(JSON.stringify(line))).toBe('09:08:07 warn: pull failed locator=x+3 no such host');
  for (const text of ['{not json', 'workerd says something', '{"a":1}', '']) expect(readableLine(text)).toBe(text);
});
