import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { api, createUser } from '../support/api.ts';
import { createCollection, stored, type TestCollection } from '../support/collections.ts';
import { blockOf } from '../support/keep.ts';
import { type RawAnswer, rawRequest } from '../support/raw-http.ts';
import { ROOT_TOKEN, startService, type TestService } from '../support/service.ts';

/** Which credentials count at which host and path, and the answers when they fail (docs/protocol/files.md#credentials). */

const DOWNLOAD = 'download.example.com';
const SHARED = 'collections.example.com';
const WORKBENCH = 'https://workbench.example.com';

let service: TestService;
let collection: TestCollection;
let publicCollection: TestCollection;
/** A good token of a user who may not read `collection`. */
let stranger: string;
let anonymous: string;

beforeAll(async () => {
  service = await startService();
  const foo = blockOf('foo');
  await stored(service, foo);
  stranger = (await createUser(service, 'stranger')).token;
  const visitor = await createUser(service, 'visitor');
  anonymous = visitor.token;
  collection = await createCollection(service, `. ${foo.locator} 0:3:foo\n./d ${foo.locator} 0:3:bar\n`);
  publicCollection = await createCollection(service, `. ${foo.locator} 0:3:pub\n`, { owner_uuid: visitor.uuid });
  await service.restart({
    WEBDAV_DOWNLOAD: `https://${DOWNLOAD}`,
    WORKBENCH2: WORKBENCH,
    ANONYMOUS_USER_TOKEN: anonymous,
  });
});
afterAll(() => service?.stop());

const ask = (host: string, path: string, headers: Record<string, string> = {}, method = 'GET', body?: string) =>
  rawRequest(service.url, {
    path,
    method,
    headers: { ...(host === '' ? {} : { host }), ...headers },
    ...(body === undefined ? {} : { body: new TextEncoder().encode(body) }),
  });
const text = (answer: RawAnswer) => answer.body.toString();
const cookie = (token: string) => ({ cookie: `arvados_api_token=${Buffer.from(token).toString('base64url')}` });
const basic = (token: string) => ({ authorization: `Basic ${Buffer.from(`user:${token}`).toString('base64')}` });
const own = () => `${collection.uuid}.collections.example.com`;

describe('a collection of its own host, or the download host', () => {
  test('looks at a token wherever it stands; a bad one is 401, a stranger gets 404', async () => {
    for (const [host, prefix] of [
      [own(), ''],
      [`${collection.uuid}--dl.example.com:8080`, ''],
      [DOWNLOAD, `/c=${collection.uuid}`],
    ] as const) {
      const ways: [string, (token: string) => Promise<RawAnswer>][] = [
        ['Bearer', (token) => ask(host, `${prefix}/foo`, { authorization: `Bearer ${token}` })],
        ['OAuth2', (token) => ask(host, `${prefix}/foo`, { authorization: `OAuth2 ${token}` })],
        ['Basic', (token) => ask(host, `${prefix}/foo`, basic(token))],
        ['cookie', (token) => ask(host, `${prefix}/foo`, cookie(token))],
      ];
      for (const [way, go] of ways) {
        const good = await go(ROOT_TOKEN);
        expect([host, way, good.status, text(good)]).toEqual([host, way, 200, 'foo']);
        const refused = await go(stranger);
        expect([host, way, refused.status, text(refused)]).toEqual([host, way, 404, 'Not Found\n']);
        for (const bad of ['', 'bogus', ROOT_TOKEN.slice(0, -1), stranger.slice(0, -1)]) {
          const answer = await go(bad);
          expect([host, way, bad, answer.status]).toEqual([host, way, bad, 401]);
          expect(answer.headers['www-authenticate']).toBe('Basic realm="collections"');
        }
      }
      expect((await ask(host, `${prefix}/t=${ROOT_TOKEN}/foo`)).status).toBe(200);
      expect((await ask(host, `${prefix}/t=${stranger}/foo`)).status).toBe(404);
      expect((await ask(host, `${prefix}/t=bogus/foo`, { authorization: `Bearer ${ROOT_TOKEN}` })).status).toBe(404);
      expect((await ask(host, `${prefix}/t=/foo`)).status).toBe(404);
    }
  });

  test('shows content inline on its own origin, and only hands it over for saving on a shared one', async () => {
    const auth = { authorization: `Bearer ${ROOT_TOKEN}` };
    expect((await ask(own(), '/foo', auth)).headers['content-disposition']).toBeUndefined();
    expect((await ask(own(), '/foo?', auth)).headers['content-disposition']).toBe('inline; filename="foo"');
    expect((await ask(own(), '/foo?disposition=attachment', auth)).headers['content-disposition']).toBe(
      'attachment; filename="foo"',
    );
    expect((await ask(DOWNLOAD, `/c=${collection.uuid}/foo`, auth)).headers['content-disposition']).toBe('attachment');
  });

  test('has all paths to itself: operations, API and blocks are not behind it', async () => {
    const auth = { authorization: `Bearer ${ROOT_TOKEN}` };
    for (const path of [
      '/metrics',
      '/_health/ping',
      '/arvados/v1/users/current',
      '/mounts',
      '/status.json',
      '/by_id/',
      `/c=${collection.uuid}/foo`,
    ]) {
      const answer = await ask(own(), path, auth);
      expect([path, answer.status, text(answer)]).toEqual([path, 404, 'Not Found\n']);
    }
  });
});

describe('what browsers may do with an answer', () => {
  test('pages of other origins do not embed what a collection’s own host or a cookie opens', async () => {
    const policy = async (...args: Parameters<typeof ask>) =>
      (await ask(...args)).headers['cross-origin-resource-policy'];
    expect(await policy(own(), '/foo', { authorization: `Bearer ${ROOT_TOKEN}` })).toBe('same-origin');
    expect(await policy(own(), '/nothing')).toBe('same-origin');
    expect(await policy(DOWNLOAD, `/c=${collection.uuid}/foo`, cookie(ROOT_TOKEN))).toBe('same-origin');
    expect(await policy(SHARED, `/c=${publicCollection.uuid}/pub`)).toBeUndefined();
  });

  test('a cookie that only this host can have set counts before one from a sibling host', async () => {
    const [mine, theirs] = [cookie(ROOT_TOKEN).cookie, cookie(stranger).cookie];
    for (const both of [`${theirs}; __Host-${mine}`, `__Host-${mine}; ${theirs}`])
      expect(text(await ask(own(), '/foo', { cookie: both }))).toBe('foo');
  });

  test('no other site is told an address with a token, whatever the answer', async () => {
    for (const path of [`/t=${ROOT_TOKEN}/foo`, `/t=${ROOT_TOKEN}/d`, `/t=bogus/`, `/t=${ROOT_TOKEN}/nothing`])
      expect((await ask(own(), path)).headers['referrer-policy'], path).toBe('no-referrer');
  });
});

describe('an origin that collections share', () => {
  test('looks at no credentials: a private file is 401 without a challenge, a public one is served', async () => {
    for (const headers of [{}, { authorization: `Bearer ${ROOT_TOKEN}` }, cookie(ROOT_TOKEN)] as Record<
      string,
      string
    >[]) {
      const answer = await ask(SHARED, `/c=${collection.uuid}/foo`, headers);
      expect([answer.status, answer.headers['www-authenticate']]).toEqual([401, undefined]);
      expect(text(answer)).toMatch(/^Authorization tokens are not accepted here/);
      expect(text(await ask(SHARED, `/c=${publicCollection.uuid}/pub`, headers))).toBe('foo');
    }
    expect((await ask(SHARED, '/by_id/')).headers['www-authenticate']).toBe('Basic realm="collections"');
    expect(
      (await ask(`${DOWNLOAD}:8000`, `/c=${collection.uuid}/foo`, { authorization: `Bearer ${ROOT_TOKEN}` })).status,
    ).toBe(401);
  });

  test('takes a token in the path, as sharing links have it', async () => {
    expect(text(await ask(SHARED, `/c=${collection.uuid}/t=${ROOT_TOKEN}/foo`))).toBe('foo');
    expect(
      text(
        await ask(SHARED, `/collections/download/${collection.uuid}/${ROOT_TOKEN}/foo`, {
          authorization: 'Bearer bogus',
        }),
      ),
    ).toBe('foo');
    expect((await ask(SHARED, `/collections/download/${collection.uuid}/bogus/foo`)).status).toBe(404);
    const listing = await ask(SHARED, `/c=${collection.uuid}/t=${ROOT_TOKEN}/`, { accept: 'text/html' });
    expect([listing.status, listing.headers['referrer-policy']]).toEqual([200, 'same-origin']);
  });

  test('never looks at credentials below /collections/', async () => {
    expect(
      (await ask(DOWNLOAD, `/collections/${collection.uuid}/foo`, { authorization: `Bearer ${ROOT_TOKEN}` })).status,
    ).toBe(401);
    expect(text(await ask(DOWNLOAD, `/collections/${publicCollection.uuid}/pub`))).toBe('foo');
  });

  test('gives a script of another site what its own token opens, without a redirect', async () => {
    const query = `?api_token=${encodeURIComponent(ROOT_TOKEN)}`;
    const answer = await ask(SHARED, `/c=${collection.uuid}/foo${query}`, { origin: 'https://genome.example.org' });
    expect([answer.status, text(answer), answer.headers['access-control-allow-origin']]).toEqual([200, 'foo', '*']);
    expect((await ask(SHARED, `/c=${collection.uuid}/foo${query}`)).status).toBe(400);
    const redirect = await ask(SHARED, `/c=${collection.uuid}/d${query}&a=b`, { origin: 'https://genome.example.org' });
    expect([redirect.status, redirect.headers['cache-control']]).toEqual([303, 'no-store']);
    expect(redirect.headers.location).toMatch(new RegExp(`/c=${collection.uuid}/d/\\?a=b$`));
  });
});

describe('a token in the address bar', () => {
  test('becomes a cookie, and what is left of the address is the same', async () => {
    const query = `a=b&api_token=&api_token=${encodeURIComponent(ROOT_TOKEN)}&disposition=attachment`;
    const answer = await ask(own(), `/d/bar?${query}`, { 'x-forwarded-proto': 'https' });
    expect(answer.status).toBe(303);
    expect(answer.headers.location).toBe(`https://${own()}/d/bar?a=b&disposition=attachment`);
    expect(answer.headers['set-cookie']).toBe(
      `__Host-arvados_api_token=${Buffer.from(ROOT_TOKEN).toString('base64').replaceAll('+', '-').replaceAll('/', '_')}; Path=/; HttpOnly; SameSite=Lax; Secure`,
    );
    expect(JSON.stringify([answer.headers.location, text(answer)])).not.toContain(ROOT_TOKEN);
    const next = await ask(own(), '/d/bar?a=b&disposition=attachment', {
      cookie: answer.headers['set-cookie']?.split(';')[0] ?? '',
    });
    expect([next.status, text(next)]).toEqual([200, 'foo']);
  });

  test('goes nowhere else: a path that looks like a host stays a path', async () => {
    const answer = await ask(own(), `//evil.example.com/x?api_token=${ROOT_TOKEN}`);
    expect(answer.headers.location).toBe(`http://${own()}/evil.example.com/x`);
  });

  test('of a form is used as it is for saving, and becomes a cookie where pages are shown', async () => {
    const form = { 'content-type': 'application/x-www-form-urlencoded' };
    const body = `api_token=${encodeURIComponent(ROOT_TOKEN)}`;
    const saved = await ask(DOWNLOAD, `/c=${collection.uuid}/foo`, form, 'POST', body);
    expect([saved.status, text(saved), saved.headers['content-disposition']]).toEqual([200, 'foo', 'attachment']);
    const shown = await ask(own(), '/foo', form, 'POST', body);
    expect([shown.status, shown.headers['set-cookie']?.startsWith('arvados_api_token=')]).toEqual([303, true]);
    const directory = await ask(DOWNLOAD, `/c=${collection.uuid}/`, form, 'POST', body);
    expect([directory.status, directory.headers.location]).toEqual([303, `http://${DOWNLOAD}/c=${collection.uuid}/`]);
    const shared = await ask(SHARED, `/c=${collection.uuid}/foo`, form, 'POST', body);
    expect([shared.status, text(shared).startsWith('cannot serve inline content at this URL')]).toEqual([400, true]);
  });
});

describe('someone without a token', () => {
  test('at a browser is sent to the workbench, told what they came for', async () => {
    const navigate = { 'sec-fetch-mode': 'navigate' };
    for (const headers of [navigate, { ...navigate, ...cookie('bogus') }]) {
      const preview = await ask(own(), '/d/b%20a+r?x=y', headers);
      expect([preview.status, preview.headers.location]).toEqual([
        303,
        `${WORKBENCH}/?redirectToPreview=/c=${collection.uuid}/d/b%20a%2Br`,
      ]);
    }
    const saving = await ask(DOWNLOAD, `/c=${collection.uuid}/foo`, navigate);
    expect(saving.headers.location).toBe(`${WORKBENCH}/?redirectToDownload=/c=${collection.uuid}/foo`);
    expect((await ask(own(), '/foo', { 'sec-fetch-mode': 'cors' })).status).toBe(401);
    expect((await ask(own(), '/foo', { ...navigate, ...cookie(stranger) })).status).toBe(404);
  });

  test('at a browser without a workbench gets a page to sign in at', async () => {
    const alone = await startService();
    try {
      const answer = await rawRequest(alone.url, {
        path: `/c=${collection.uuid}/`,
        headers: { 'sec-fetch-mode': 'navigate' },
      });
      expect([answer.status, answer.headers['www-authenticate']]).toEqual([401, 'Bearer realm="collections"']);
      expect(text(answer)).toContain('<input id="token" name="api_token" type="password"');
    } finally {
      await alone.stop();
    }
  });

  test('with a mistyped token sees the page again, with a good one that may not read this another sentence', async () => {
    const alone = await startService();
    try {
      await stored(alone, blockOf('foo'));
      const made = await createCollection(
        alone,
        `. ${blockOf('foo').locator} 0:3:foo\n./d ${blockOf('foo').locator} 0:3:bar\n`,
      );
      const reader = await createUser(alone, 'reader');
      const form = { 'content-type': 'application/x-www-form-urlencoded', 'sec-fetch-mode': 'navigate' };
      const sign = (token: string, path = `/c=${made.uuid}/`, more = {}) =>
        rawRequest(alone.url, {
          path,
          method: 'POST',
          headers: { ...form, ...more },
          body: new TextEncoder().encode(`sign_in=1&api_token=${encodeURIComponent(token)}`),
        });
      const mistyped = await sign('rubbish');
      expect([mistyped.status, mistyped.headers['set-cookie']]).toEqual([401, undefined]);
      expect(text(mistyped)).toContain('This token is not valid here');
      const without = await sign(reader.token);
      expect([without.status, without.headers['set-cookie']]).toEqual([404, undefined]);
      expect(text(without)).toContain('The token is valid, but it may not read this');
      expect(text(without)).toContain('name="api_token"');
      const page = await rawRequest(alone.url, {
        path: `/c=${made.uuid}/foo`,
        headers: { 'sec-fetch-mode': 'navigate', ...cookie(reader.token) },
      });
      expect([page.status, text(page).includes('may not read this')]).toEqual([404, true]);
      for (const [path, to] of [
        ['/', '/'],
        ['/foo', '/'],
        ['/d/bar', '/d/'],
        ['/d', '/d/'],
      ] as const) {
        const signed = await sign(ROOT_TOKEN, `/c=${made.uuid}${path}`);
        expect([path, signed.status, signed.headers.location]).toEqual([path, 303, `${alone.url}/c=${made.uuid}${to}`]);
        expect(signed.headers['set-cookie']).toContain('arvados_api_token=');
      }
      const forged = await sign(ROOT_TOKEN, `/c=${made.uuid}/`, { 'sec-fetch-site': 'cross-site' });
      expect(text(forged)).not.toContain('Sign in');
    } finally {
      await alone.stop();
    }
  });

  test('gets 404 for a missing path of a public collection, and no password box for a broken image', async () => {
    for (const headers of [
      {},
      { 'sec-fetch-mode': 'navigate' },
      { 'sec-fetch-dest': 'image' },
      cookie('bogus'),
    ] as Record<string, string>[]) {
      for (const host of [SHARED, DOWNLOAD]) {
        const answer = await ask(host, `/c=${publicCollection.uuid}/nothing/here`, headers);
        expect([answer.status, answer.headers['www-authenticate']]).toEqual([404, undefined]);
      }
    }
    const image = await ask(own(), '/nothing.png', { 'sec-fetch-mode': 'no-cors', 'sec-fetch-dest': 'image' });
    expect([image.status, image.headers['www-authenticate']]).toEqual([401, 'Bearer realm="collections"']);
    expect((await ask(own(), '/nothing.png')).headers['www-authenticate']).toBe('Basic realm="collections"');
  });

  test('learns nothing at an address of nothing', async () => {
    for (const path of [
      '/foo',
      '/collections/',
      '/c=foo/',
      `/c=${collection.portable_data_hash}-/foo`,
      '/favicon.ico',
    ]) {
      const answer = await ask(DOWNLOAD, path);
      expect([path, [400, 404].includes(answer.status), answer.headers['www-authenticate']]).toEqual([
        path,
        true,
        undefined,
      ]);
    }
    for (const path of ['/favicon.ico', '/nothing', '/apple-touch-icon.png', '/.well-known/security.txt'])
      expect([path, (await ask(DOWNLOAD, path)).status]).toEqual([path, 404]);
    expect((await ask(DOWNLOAD, '/acbd18')).status).toBe(400);
    const robots = await ask(DOWNLOAD, '/robots.txt');
    expect([robots.status, robots.headers['content-type'], text(robots)]).toEqual([
      200,
      'text/plain; charset=utf-8',
      expect.stringMatching(/User-agent: wget\nDisallow:\n\nUser-agent: \*\nDisallow: \/\n/),
    ]);
  });
});

describe('a preflight', () => {
  test('is told what may be asked, before anything is looked at', async () => {
    for (const [host, path] of [
      [own(), '/foo'],
      [SHARED, `/c=${collection.uuid}/nothing`],
      [SHARED, '/by_id/'],
    ] as const) {
      const answer = await ask(
        host,
        path,
        { origin: 'https://x.example', 'access-control-request-method': 'GET' },
        'OPTIONS',
      );
      expect(answer.status).toBe(200);
      expect(answer.headers).toMatchObject({
        'access-control-allow-origin': '*',
        'access-control-max-age': '86400',
        'access-control-allow-methods':
          'GET, HEAD, POST, OPTIONS, PROPFIND, PUT, DELETE, MKCOL, COPY, MOVE, LOCK, UNLOCK, PROPPATCH',
        'access-control-allow-headers': expect.stringMatching(/Authorization.*Range/),
      });
      expect(answer.headers['access-control-allow-credentials']).toBeUndefined();
    }
    expect((await ask(own(), '/foo', { 'access-control-request-method': 'PATCH' }, 'OPTIONS')).status).toBe(405);
  });
});

describe('dot segments', () => {
  test('of a single dot, which Go clients send, mean nothing', async () => {
    const auth = { authorization: `Bearer ${ROOT_TOKEN}` };
    for (const path of ['/./foo', '/d/./bar', '/d/././bar', '/%2e/foo', '/d/%2E/bar']) {
      expect([path, text(await ask(own(), path, auth))]).toEqual([path, 'foo']);
      expect([path, text(await ask(DOWNLOAD, `/c=${collection.uuid}${path}`, auth))]).toEqual([path, 'foo']);
    }
    expect(text(await ask(DOWNLOAD, `/./c=${collection.uuid}/foo`, auth))).toBe('foo');
  });

  test.each(['/../x', '/%2e%2e/x', '/..%2f..%2fby_id/', '/_/../../by_id/', '/d/%2E%2E/foo', '/./../foo', '/d/..'])(
    'lead nowhere: %s',
    async (path) => {
      const auth = { authorization: `Bearer ${ROOT_TOKEN}` };
      for (const [host, prefix] of [
        [own(), ''],
        [DOWNLOAD, `/c=${collection.uuid}`],
      ] as const) {
        const answer = await ask(host, prefix + path, auth);
        expect([host, path, [400, 404].includes(answer.status)]).toEqual([host, path, true]);
      }
    },
  );
});

describe('content that is closed', () => {
  test('to users is refused without a word in the log, while names can still be seen, and admins get it', async () => {
    await service.restart({ WEBDAV_PERMISSION: { User: { Download: false } } });
    const member = await createUser(service, 'member');
    const made = await createCollection(service, `. ${blockOf('foo').locator} 0:3:foo\n`, { owner_uuid: member.uuid });
    const auth = { authorization: `Bearer ${member.token}` };
    const path = `/c=${made.uuid}`;
    for (const [headers, to] of [
      [auth, `${path}/foo`],
      [{ ...auth, accept: 'application/zip' }, `${path}/`],
    ] as const) {
      const answer = await ask(DOWNLOAD, to, headers);
      expect([to, answer.status, text(answer)]).toEqual([to, 403, 'Not permitted\n']);
    }
    expect((await ask(DOWNLOAD, `${path}/`, auth)).status).toBe(200);
    expect((await ask(DOWNLOAD, `${path}/foo`, auth, 'HEAD')).status).toBe(200);
    expect((await ask(DOWNLOAD, `${path}/foo`, { authorization: `Bearer ${ROOT_TOKEN}` })).status).toBe(200);
    const boss = await createUser(service, 'boss', { is_admin: true });
    expect((await ask(DOWNLOAD, `${path}/foo`, { authorization: `Bearer ${boss.token}` })).status).toBe(200);
    const sharing = await api(service, 'api_client_authorizations', {
      token: boss.token,
      body: { api_client_authorization: { scopes: [`GET /arvados/v1/collections/${made.uuid}`] } },
    });
    const link = `v2/${sharing.json.uuid}/${sharing.json.api_token}`;
    expect((await ask(DOWNLOAD, `${path}/t=${link}/`)).status).toBe(200);
    const shared = await ask(DOWNLOAD, `${path}/t=${link}/foo`);
    expect([shared.status, text(shared)]).toEqual([403, 'Not permitted\n']);
    await service.allLogged();
    const lines = service.logs.filter((line) => typeof line === 'object' && line.collection_uuid === made.uuid);
    const served = expect.objectContaining({ respStatusCode: 200 });
    expect(lines).toEqual([served, served]);
  });
});
