import { describe, expect, test } from 'vitest';
import { scopesAllow } from '../../../src/accounts/scopes.ts';

describe('scopesAllow', () => {
  const collection = '/arvados/v1/collections/zzzzz-4zz18-aaaaaaaaaaaaaaa';
  test.each([
    ['everything with all', ['all'], 'DELETE', collection, true],
    ['the very request', ['GET /arvados/v1/users/current'], 'GET', '/arvados/v1/users/current', true],
    [
      'a trailing slash of the request is ignored',
      ['GET /arvados/v1/collections'],
      'GET',
      '/arvados/v1/collections/',
      true,
    ],
    ['a scope with a slash opens every record', ['GET /arvados/v1/collections/'], 'GET', collection, true],
    ['... but not the list', ['GET /arvados/v1/collections/'], 'GET', '/arvados/v1/collections', false],
    ['a scope without a slash opens the list only', ['GET /arvados/v1/collections'], 'GET', collection, false],
    ['a longer name is another resource', ['GET /arvados/v1/collections'], 'GET', '/arvados/v1/collectionsx', false],
    ['the method counts', ['GET /arvados/v1/collections'], 'POST', '/arvados/v1/collections', false],
    ['HEAD passes where GET does', ['GET /arvados/v1/collections/'], 'HEAD', collection, true],
    ['GET does not pass where HEAD does', ['HEAD /arvados/v1/collections/'], 'GET', collection, false],
    ['an update sent as PUT counts as PATCH', ['PATCH /arvados/v1/collections/'], 'PUT', collection, true],
    ['... so a scope for PUT does not reach the API', ['PUT /'], 'PUT', collection, false],
    ['... but blocks', ['PUT /'], 'PUT', '/acbd18db4cc2f85cedef654fccc4a4d8', true],
    ['the token itself is open to every token', [], 'GET', '/arvados/v1/api_client_authorizations/current', true],
    ['nothing else is', [], 'GET', '/arvados/v1/users/current', false],
    ['anonymous reading', ['GET /'], 'GET', '/arvados/v1/groups', true],
  ])('%s', (_, scopes, method, path, allowed) => {
    expect(scopesAllow(scopes, method, path)).toBe(allowed);
  });
});
