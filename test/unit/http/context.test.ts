import { expect, test } from 'vitest';
import { createContext } from '../../../src/http/context.ts';

const contextOf = (path: string, headers: Record<string, string> = {}) =>
  createContext(
    { url: `http://host${path}`, method: 'GET', headers: new Headers(headers) } as Request,
    () => undefined,
  );

test('a path is decoded once, bytes that are not UTF-8 without loss', () => {
  expect(contextOf('/c=x/M%DCller%2520?a=%FF').path).toBe('/c=x/M\udcdcller%20');
  expect(() => contextOf('/c=x/%')).toThrow('percent sign');
});

test('a request id is the client’s own, unless it is not fit to be repeated in headers, logs and pages', () => {
  expect(contextOf('/', { 'X-Request-Id': 'req-abc' }).requestId).toBe('req-abc');
  for (const id of ['', 'x'.repeat(257), 'x'.repeat(60_000), 'two words', '<b>', 'é', '"'])
    expect(contextOf('/', { 'X-Request-Id': id }).requestId).toMatch(/^req-[0-9a-z]{20}$/);
});
