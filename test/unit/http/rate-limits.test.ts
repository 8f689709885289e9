import { describe, expect, test } from 'vitest';
import { createContext } from '../../../src/http/context.ts';
import { createRateLimits, type Limit, networkOf, type RateLimiters } from '../../../src/http/rate-limits.ts';
import { isKeepError } from '../../../src/keep/errors.ts';

const SECRET = 'secretsecretsecretsecretsecretsecretsecretsecret00';
const TOKEN = `v2/xedge-gj3su-000000000000000/${SECRET}`;
const ADDRESS = '192.0.2.7';

/** Limiters that allow a number of requests for each key, and remember the keys. */
function limitersOf(limits: Partial<Record<Limit, number>>): { limiters: RateLimiters; keys: string[] } {
  const keys: string[] = [];
  const limiter = (most: number) => {
    const counts = new Map<string, number>();
    return {
      limit: async ({ key }: { key: string }) => {
        keys.push(key);
        counts.set(key, (counts.get(key) ?? 0) + 1);
        return { success: (counts.get(key) ?? 0) <= most };
      },
    };
  };
  const limiters = Object.fromEntries(Object.entries(limits).map(([name, most]) => [name, limiter(most)]));
  return { limiters, keys };
}

const known = {
  isExempt: (token: string) => token === 'root',
  isPublic: (token: string) => token === 'public',
  isKnown: async (token: string) => token.startsWith('known'),
};

function contextOf(token: string | null, { address = ADDRESS, path = '/by_id/', headers = {} } = {}) {
  const sent = {
    ...(token === null ? {} : { Authorization: `Bearer ${token}` }),
    'CF-Connecting-IP': address,
    ...headers,
  };
  return createContext(new Request(`https://keep.example.org${path}`, { headers: sent }), () => undefined);
}

describe('rate limits', () => {
  test('give the platform keys that hold no token and no address', async () => {
    const { limiters, keys } = limitersOf({ tokens: 9, addresses: 9, anonymous: 9, wrong_tokens: 9 });
    const limits = createRateLimits(limiters, 'xedge', known);
    await limits.admit(contextOf(TOKEN), false);
    await limits.admit(contextOf(null), false);
    await limits.noteWrongToken(contextOf(TOKEN));
    expect(keys).toHaveLength(5);
    for (const key of keys) expect(key).toMatch(/^[0-9a-f]{64}$/);
  });

  test('count a token once for all ways to write it, and two tokens apart', async () => {
    const { limiters, keys } = limitersOf({ tokens: 9 });
    const limits = createRateLimits(limiters, 'xedge', known);
    await limits.admit(contextOf(TOKEN), false);
    await limits.admit(contextOf(SECRET), false);
    await limits.admit(contextOf(null, { path: `/c=xedge-4zz18-000000000000000/t=${SECRET}/file` }), false);
    await limits.admit(contextOf(`${SECRET}1`), false);
    expect(new Set(keys).size).toBe(2);
    expect(keys.slice(0, 3)).toEqual([keys[0], keys[0], keys[0]]);
  });

  test('count the anonymous token as none, and leave the service’s own tokens, health checks and preflights alone', async () => {
    const { limiters } = limitersOf({ tokens: 0, addresses: 9, anonymous: 0 });
    const limits = createRateLimits(limiters, 'xedge', known);
    const refused = (context: ReturnType<typeof contextOf>, isForS3 = false) =>
      limits.admit(context, isForS3).then(
        () => false,
        (error) => isKeepError(error, 'too_many_requests'),
      );
    expect(await refused(contextOf('public'))).toBe(true);
    expect(await refused(contextOf(null))).toBe(true);
    expect(await refused(contextOf(TOKEN))).toBe(true);
    expect(await refused(contextOf('root'))).toBe(false);
    expect(await refused(contextOf(null, { path: '/_health/ping' }))).toBe(false);
    const signed = contextOf(null, { headers: { Authorization: 'AWS4-HMAC-SHA256 Credential=x' } });
    expect(await refused(signed, true)).toBe(false);
    expect(await refused(signed, false)).toBe(true);
    expect(await refused(contextOf(null, { headers: { Authorization: 'AWSx' } }), true)).toBe(true);
    expect(await refused(contextOf(null, { path: '/bucket/a&X-Amz-Credential=x' }), true)).toBe(true);
    expect(await refused(contextOf(null, { path: '/_health/ping' }), true)).toBe(true);
  });

  test('look up no unknown token from an address that sent too many wrong ones, and go on with a known one', async () => {
    const { limiters } = limitersOf({ wrong_tokens: 2 });
    const limits = createRateLimits(limiters, 'xedge', known);
    for (let n = 0; n < 3; n++) {
      await limits.admit(contextOf('wrong'), false);
      await limits.noteWrongToken(contextOf('wrong'));
    }
    await expect(limits.admit(contextOf('wrong'), false)).rejects.toMatchObject({ code: 'too_many_requests' });
    await expect(limits.admit(contextOf(null, { path: '/workspace/enter?code=x' }), false)).rejects.toThrow(
      'wrong tokens',
    );
    await limits.admit(contextOf('known'), false);
    await limits.admit(contextOf(null), false);
    const hidden = contextOf('public', { path: '/c=xedge-4zz18-000000000000000/t=wrong/file' });
    await expect(limits.admit(hidden, false)).rejects.toThrow('wrong tokens');
    await limits.admit(contextOf('wrong', { address: '192.0.2.8' }), false);
  });

  test('let requests pass when the limiter fails', async () => {
    const failing = { limit: () => Promise.reject(new Error('no limiter')) };
    await createRateLimits({ tokens: failing, addresses: failing }, 'xedge', known).admit(contextOf(TOKEN), false);
  });

  test.each([
    ['192.0.2.7', '192.0.2.7'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:DB8:1::7', '2001:db8:1:0::/64'],
    ['2001:0db8:0001:0000:ffff::1', '2001:db8:1:0::/64'],
    ['::1', '0:0:0:0::/64'],
  ])('count %s as %s', (address, network) => {
    expect(networkOf(new Request('https://x/', { headers: { 'CF-Connecting-IP': address } }))).toBe(network);
  });

  test('take an address from the platform only', () => {
    expect(networkOf(new Request('https://x/', { headers: { 'X-Forwarded-For': '192.0.2.7' } }))).toBe(null);
  });
});
