import { describe, expect, test } from 'vitest';
import { textError } from '../../../src/http/error-response.ts';
import { KeepError } from '../../../src/keep/errors.ts';

describe('a binding that is temporarily unavailable', () => {
  test.each([
    ['R2', new Error('get: We encountered an internal error. Please try again. (10001)')],
    ['D1', new Error('D1_ERROR: Network connection lost.')],
    ['KV', new Error('KV GET failed: 500 Internal Server Error')],
    ['KV that is asked too often', new Error('KV PUT failed: 429 Too Many Requests')],
    ['a body that broke off', new Error('Network connection lost.')],
    ['a Durable Object that was moved', Object.assign(new Error('the object was reset'), { retryable: true })],
    ['a Durable Object with too much to do', Object.assign(new Error('too many requests'), { overloaded: true })],
  ])('%s: the client is told to come back', (_, error) => {
    const answer = textError(error);
    expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '5']);
  });
});

describe('a bug of this service', () => {
  test.each([
    ['in a statement', new Error('D1_ERROR: no such column: x: SQLITE_ERROR')],
    ['in a key', new Error('KV PUT failed: 414 UTF-8 encoded length of 900 exceeds key length limit of 512.')],
    ['anywhere', new TypeError('x is not a function')],
    ['that is no error at all', 'text'],
  ])('%s says nothing but that', async (_, error) => {
    const answer = textError(error);
    expect([answer.status, await answer.text(), answer.headers.get('retry-after')]).toEqual([
      500,
      'internal error\n',
      null,
    ]);
  });
});

test('a failure that was thrown on purpose says what its code says', async () => {
  const answer = textError(new KeepError('corrupt'));
  expect([answer.status, await answer.text()]).toEqual([502, 'checksum mismatch in stored data\n']);
});
