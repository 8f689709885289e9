import { once } from 'node:events';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { mutate } from '../fuzz/mutate.ts';
import { createRandom, type Random } from '../fuzz/random.ts';
import { api, createToken, createUser } from '../support/api.ts';
import { createCollection, stored, type TestCollection } from '../support/collections.ts';
import { bearer, blockOf, request, sign } from '../support/keep.ts';
import { startKeepServer } from '../support/keep-server.ts';
import { rawRequest } from '../support/raw-http.ts';
import {
  type LogLine,
  MANAGEMENT_TOKEN,
  ROOT_TOKEN,
  SIGNING_KEY,
  startService,
  type TestService,
} from '../support/service.ts';

/** Requests that no honest client sends: no 5xx, no hang, no secret told, nothing changed. */
const SECRET = blockOf('what only its readers may see');
const TOKEN_TTL_SECONDS = 1;

let service: TestService;
let collection: TestCollection;
const auth = bearer(ROOT_TOKEN);
/** The log of the services in this file. */
const logged: LogLine[] = [];

beforeAll(async () => {
  service = await startService({ vars: { TOKEN_CACHE_TTL: `${TOKEN_TTL_SECONDS}s`, EDGE_CACHE: true } });
  await stored(service, SECRET);
  collection = await createCollection(service, `. ${SECRET.locator} 0:${SECRET.data.length}:secret.txt\n`);
});
afterAll(async () => {
  logged.push(...service.logs);
  await service.stop();
  const text = logged.map((line) => JSON.stringify(line)).join('\n');
  // Root, management and signing secrets, users' tokens and signatures, in every form.
  for (const secret of [ROOT_TOKEN, MANAGEMENT_TOKEN, SIGNING_KEY, ...secrets]) {
    expect(text.includes(secret), 'a secret is in the log').toBe(false);
  }
  expect(/.{0,200}[0-9a-f]{40}@[0-9a-f]{8}.{0,100}/.exec(text)?.[0]).toBeUndefined();
});
const secrets: string[] = [];
const secretOf = (token: string) => token.split('/')[2] ?? token;

/** Sends raw bytes and returns what comes back until the server closes or is silent for a second. */
async function exchange(bytes: string | Buffer, silenceMs = 1500): Promise<string> {
  const { socket, answer } = await openSocket();
  socket.setTimeout(silenceMs, () => socket.destroy());
  socket.write(bytes);
  await once(socket, 'close');
  return answer();
}
/** A connection to the service and the bytes received so far. */
async function openSocket() {
  const { hostname, port } = new URL(service.url);
  const socket = connect(Number(port), hostname);
  await once(socket, 'connect');
  let answer = '';
  socket.on('data', (chunk) => {
    answer += chunk.toString('latin1');
  });
  socket.on('error', () => {});
  return { socket, answer: () => answer };
}
const statuses = (answer: string) => [...answer.matchAll(/^HTTP\/1\.1 (\d+)/gm)].map(([, status]) => Number(status));

describe('oversized', () => {
  test('headers, paths and queries are refused or answered, and the service lives on', async () => {
    for (const size of [10_000, 70_000, 1_000_000]) {
      for (const path of [
        `/${'a'.repeat(size)}`,
        `/c=${collection.uuid}/${'b/'.repeat(size / 2)}`,
        `/?x=${'c'.repeat(size)}`,
      ]) {
        const answer = await exchange(`GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`, 20_000);
        for (const status of statuses(answer)) expect(status).toBeLessThan(500);
      }
      const answer = await exchange(
        `GET / HTTP/1.1\r\nHost: x\r\nX-Big: ${'d'.repeat(size)}\r\nConnection: close\r\n\r\n`,
        20_000,
      );
      for (const status of statuses(answer)) expect([400, 401, 404, 413, 431]).toContain(status);
    }
    expect((await request(`${service.url}/c=${collection.uuid}/secret.txt`)).status).toBe(200);
  });

  test.each<[method: string, path: () => string, type: string, filling?: string]>([
    ['PROPFIND', () => `/c=${collection.uuid}/`, 'application/xml'],
    ['POST', () => `/c=${collection.uuid}/`, 'application/x-www-form-urlencoded'],
    ['POST', () => `/c=${collection.uuid}/`, 'application/json'],
    ['POST', () => '/arvados/v1/collections', 'application/json'],
    ['POST', () => '/arvados/v1/collections', 'application/x-www-form-urlencoded'],
    ['POST', () => '/arvados/v1/collections', 'application/x-www-form-urlencoded', 'a=b'],
    ['POST', () => '/arvados/v1/groups', 'application/json'],
    ['PUT', () => '/pull', 'application/json'],
    ['PUT', () => '/trash', 'application/json'],
  ])(
    'bodies of no announced length are cut off, not kept: %s %s as %s',
    async (method, path, type, filling = '{"a":"') => {
      const { socket, answer } = await openSocket();
      socket.write(
        `${method} ${path()} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${ROOT_TOKEN}\r\nContent-Type: ${type}\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n`,
      );
      const chunk = Buffer.concat([Buffer.from('100000\r\n'), Buffer.alloc(1 << 20, filling), Buffer.from('\r\n')]);
      let sent = 0;
      for (; sent < 24 && answer() === '' && !socket.destroyed; sent++) {
        const drained = socket.write(chunk);
        if (!drained) {
          const waiting = ['drain', 'close', 'data'].map((event) => once(socket, event).catch(() => {}));
          await Promise.race(waiting);
        }
      }
      if (!socket.destroyed) socket.end('0\r\n\r\n');
      if (!socket.closed) await new Promise((resolve) => socket.once('close', resolve));
      expect(sent).toBeLessThan(24);
      for (const status of statuses(answer())) expect([400, 413, 422]).toContain(status);
    },
  );
});

describe('request smuggling', () => {
  const hidden = 'GET /arvados/v1/users/current HTTP/1.1\r\nHost: x\r\n\r\n';
  test.each([
    [
      'both lengths',
      `POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${hidden}`,
    ],
    [
      'two lengths',
      `POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nContent-Length: ${hidden.length}\r\n\r\n${hidden}`,
    ],
    ['a length with a sign', `POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +0\r\n\r\n${hidden}`],
    ['an unknown coding', `POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n${hidden}`],
    ['a coding behind a blank', `POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n${hidden}`],
    ['a folded header', `GET / HTTP/1.1\r\nHost: x\r\nX-A: b\r\n Transfer-Encoding: chunked\r\n\r\n${hidden}`],
    ['a bad chunk size', `POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0x0\r\n\r\n${hidden}`],
    ['a bare newline', `GET / HTTP/1.1\nHost: x\n\n${hidden}`],
    ['a NUL in a header', `GET / HTTP/1.1\r\nHost: x\r\nX-A: a\0b\r\n\r\n${hidden}`],
    ['two hosts', `GET /mounts HTTP/1.1\r\nHost: x\r\nHost: ${SECRET.hash}-29.collections.example.org\r\n\r\n`],
  ])('with %s gets no second answer that the first request did not ask for, and no 5xx', async (_, bytes) => {
    const answer = statuses(await exchange(bytes));
    for (const status of answer) expect(status === 501 || status < 500).toBe(true);
  });
});

describe('addresses', () => {
  const forms = [
    '../',
    '..%2f',
    '%2e%2e/',
    '%2e%2e%2f',
    '..%5c',
    './',
    '%2e/',
    '..;/',
    '%252e%252e%252f',
    '..%c0%af',
    '%00/',
  ];
  test('never lead out of the collection they name', async () => {
    const empty = await createCollection(service, '', { name: 'empty one' });
    for (const form of forms) {
      for (const target of [
        `c=${collection.uuid}/secret.txt`,
        `by_id/${collection.uuid}/secret.txt`,
        'arvados/v1/collections',
        'metrics',
      ]) {
        for (const base of [
          `/c=${empty.uuid}/`,
          `/by_id/${empty.uuid}/`,
          `/collections/${empty.uuid}/`,
          `/c=${empty.uuid}/t=${ROOT_TOKEN}/`,
          '/users/root/',
        ]) {
          const answer = await rawRequest(service.url, { path: `${base}${form}${target}`, headers: auth });
          expect(answer.status, `${base}${form}${target}`).toBeGreaterThanOrEqual(400);
          expect(answer.status).toBeLessThan(500);
          expect(answer.body.includes(SECRET.data)).toBe(false);
        }
      }
    }
  });

  test('redirect to no other site', async () => {
    const hosts = [
      '//evil.example',
      '/\\evil.example',
      '/%5cevil.example',
      '/%2f%2fevil.example',
      '///evil.example/',
      '/.evil.example',
      '/@evil.example',
    ];
    for (const host of hosts) {
      for (const path of [
        host,
        `/c=${collection.uuid}${host}`,
        `/c=${collection.uuid}/?api_token=${ROOT_TOKEN}&x=${host}`,
        `${host}?api_token=${ROOT_TOKEN}`,
        `/users${host}`,
      ]) {
        for (const method of ['GET', 'POST']) {
          const answer = await rawRequest(service.url, { method, path, headers: auth });
          expect(answer.status).toBeLessThan(500);
          const { location } = answer.headers;
          if (location === undefined) continue;
          expect(new URL(location, service.url).host).toBe(new URL(service.url).host);
          expect(location).not.toContain(ROOT_TOKEN);
        }
      }
    }
  });
});

describe('names', () => {
  const names = [
    'a\r\nSet-Cookie: owned=1',
    'b"; filename=x',
    '<img src=x onerror=alert(1)>',
    'é\u2028\u0000',
    "';--",
    '%0d%0aX-Owned: 1',
  ];
  const escaped = (name: string) =>
    [...new TextEncoder().encode(name)].map((byte) => `\\${byte.toString(8).padStart(3, '0')}`).join('');

  test('of files and archives add no header, whatever is in them', async () => {
    const tokens = names.map((name) => `0:1:${escaped(name)}`).join(' ');
    const made = await createCollection(service, `. ${SECRET.locator} ${tokens}\n`, { name: 'b"\r\nX-Owned: 1' });
    for (const name of names) {
      for (const query of ['?disposition=attachment', '?x', '']) {
        const path = `/c=${made.uuid}/${encodeURIComponent(name)}${query}`;
        const answer = await rawRequest(service.url, { path, headers: auth });
        expect([200, 404]).toContain(answer.status);
        expect(answer.headers['set-cookie']).toBeUndefined();
        expect(answer.headers['x-owned']).toBeUndefined();
      }
    }
    const path = `/c=${made.uuid}/?accept=application/zip&download_filename=${encodeURIComponent('x\r\nX-Owned: 1"')}`;
    for (const asked of [path, `/c=${made.uuid}/?accept=application/zip&disposition=attachment`]) {
      const answer = await rawRequest(service.url, { path: asked, headers: { ...auth, accept: 'application/zip' } });
      expect(answer.status).toBe(200);
      expect(answer.headers['x-owned']).toBeUndefined();
    }
  });

  test('by the thousand, in a directory a hundred thousand deep, are refused an archive before they are spelled out', async () => {
    const files = Array.from({ length: 10_000 }, (_, i) => `0:1:file-${i}`).join(' ');
    const made = await createCollection(service, `./${'d/'.repeat(100_000)}e ${SECRET.locator} ${files}\n`);
    const path = `/c=${made.uuid}/?accept=application/zip`;
    const answer = await rawRequest(service.url, { path, headers: { ...auth, accept: 'application/zip' } });
    expect(answer.status).toBe(400);
    expect(answer.body.toString()).toContain('paths over');
  });

  test('a thousand directories deep are listed, read and archived, or refused, without a 5xx', async () => {
    for (const depth of [100, 3000, 100_000]) {
      const answer = await api(service, 'collections', {
        body: { collection: { manifest_text: `./${'d/'.repeat(depth)}e ${SECRET.locator} 0:1:deep\n` } },
      });
      expect(answer.status).toBeLessThan(500);
      if (answer.status !== 200) continue;
      for (const [method, headers] of [
        ['PROPFIND', { Depth: 'infinity' }],
        ['PROPFIND', { Depth: '1' }],
        ['GET', { Accept: 'application/zip' }],
        ['GET', { Accept: 'application/json' }],
      ] as const) {
        const listed = await rawRequest(service.url, {
          method,
          path: `/c=${answer.json.uuid}/`,
          headers: { ...auth, ...headers },
        });
        expect(listed.status, `${method} at depth ${depth}`).toBeLessThan(500);
        expect(listed.complete, `${method} at depth ${depth}`).toBe(true);
      }
    }
  });
});

describe('queries and records', () => {
  test('that would be too much for the database or the stack are refused', async () => {
    const deep = (depth: number) => `${'['.repeat(depth)}1${']'.repeat(depth)}`;
    const many = JSON.stringify(Array.from({ length: 300 }, (_, i) => `v${i}`));
    const any = JSON.stringify(Array.from({ length: 20 }, () => ['any', 'like', 'a%']));
    const filters = [
      `[["properties","contains",${many}]]`,
      `[["properties","=",${deep(20_000)}]]`,
      any,
      `[["uuid","in",${many}]]`,
    ];
    for (const filter of filters) {
      const answer = await request(`${service.url}/arvados/v1/collections`, {
        method: 'POST',
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
        body: `_method=GET&filters=${encodeURIComponent(filter)}`,
      });
      expect(answer.status, filter.slice(0, 60)).toBeLessThan(500);
    }
    for (const depth of [60, 1001, 50_000]) {
      const record = `{"name":"deep ${depth}","properties":{"a":${deep(depth)}}}`;
      for (const body of [`{"collection":${record}}`, JSON.stringify({ collection: record })]) {
        const answer = await request(`${service.url}/arvados/v1/collections`, { method: 'POST', body });
        expect(answer.status, `depth ${depth}`).toBeLessThan(500);
      }
    }
    const listed = await api(service, 'collections', { query: { filters: [['properties.a', 'exists', true]] } });
    expect(listed.status).toBe(200);
  });
});

describe('replace_files', () => {
  const replace = (replace_files: Record<string, string>) =>
    api(service, 'collections', { body: { collection: {}, replace_files } });
  const line = (directory: string, files: number) =>
    `./${directory} ${SECRET.locator} ${Array.from({ length: files }, (_, i) => `0:1:file-${i}`).join(' ')}\n`;

  test('of thousands of entries, of trees a hundred thousand deep, and of one source in thousands of places ends soon', async () => {
    const entries = Object.fromEntries(Array.from({ length: 60_000 }, (_, i) => [`/entry-${i}`, '']));
    expect((await replace(entries)).status).toBe(200);
    const deep = await createCollection(service, line(`${'d/'.repeat(100_000)}e`, 1000));
    expect((await replace({ '/copy': deep.portable_data_hash })).status).toBe(200);
    const wide = await createCollection(service, line('a', 10_000));
    const source = wide.portable_data_hash;
    const many = Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`/place-${i}`, source]));
    expect((await replace(many)).status).toBe(413);
    const few = await replace({ '/one': source, '/two/three': source, '/two/four': `${source}/a/file-7` });
    expect(few.status).toBe(200);
  });
});

describe('a site that a browser is lured to', () => {
  const cookie = `arvados_api_token=${Buffer.from(ROOT_TOKEN).toString('base64url')}`;
  const json = JSON.stringify({ collection: { name: 'forged' } });

  test.each(['https://evil.example', 'null', 'http://sibling.collections.example.org'])(
    'cannot change anything with the cookie of its visitor: %s',
    async (origin) => {
      for (const headers of [
        { cookie, origin },
        { cookie, origin, 'sec-fetch-site': 'same-site' },
      ]) {
        for (const [method, path, type] of [
          ['POST', '/arvados/v1/collections', 'text/plain'],
          ['POST', `/arvados/v1/collections/${collection.uuid}?_method=DELETE`, 'application/x-www-form-urlencoded'],
          ['DELETE', `/arvados/v1/collections/${collection.uuid}`, 'text/plain'],
          ['PUT', `/${SECRET.hash}`, 'text/plain'],
          ['POST', '/', 'text/plain'],
        ] as const) {
          const answer = await rawRequest(service.url, {
            method,
            path,
            headers: { ...headers, 'content-type': type },
            body: Buffer.from(method === 'PUT' ? SECRET.data : json),
          });
          expect([401, 403], `${method} ${path}: ${answer.body}`).toContain(answer.status);
        }
      }
      const here = await rawRequest(service.url, { path: `/c=${collection.uuid}/secret.txt`, headers: { cookie } });
      expect(here.status).toBe(200);
    },
  );

  test('reads nothing with it either: answers to other origins are for their own tokens', async () => {
    const answer = await rawRequest(service.url, {
      path: `/c=${collection.uuid}/secret.txt`,
      headers: { origin: 'https://evil.example' },
    });
    expect(answer.status).toBe(401);
    expect(answer.headers['access-control-allow-credentials']).toBeUndefined();
  });
});

describe('what is kept for one reader', () => {
  test('is not given to another token, without one, or to a revoked or expired one, however warm the caches', async () => {
    const [ann, ben] = [await createUser(service, 'cacheann'), await createUser(service, 'cacheben')];
    secrets.push(secretOf(ann.token), secretOf(ben.token));
    const block = blockOf('ann alone');
    await stored(service, block);
    const made = await api(service, 'collections', {
      token: ann.token,
      body: { collection: { manifest_text: `. ${sign(block.locator, { token: ann.token })} 0:9:f\n` } },
    });
    expect(made.status).toBe(200);
    const paths = [`/c=${made.json.uuid}/f`, `/c=${made.json.uuid}/`, `/arvados/v1/collections/${made.json.uuid}`];
    const status = async (path: string, token: string | null) =>
      (await request(`${service.url}${path}`, { token })).status;
    const expiry = Date.now() + 6000;
    const brief = await createToken(service, ann.uuid, { expires_at: new Date(expiry).toISOString() });
    secrets.push(secretOf(brief));
    for (const path of paths) expect(await status(path, brief)).toBe(200);
    for (const path of paths) {
      for (let i = 0; i < 3; i++) expect(await status(path, ann.token)).toBe(200);
      expect([403, 404]).toContain(await status(path, ben.token));
      expect(await status(path, null)).toBe(401);
      expect(await status(path, `${ann.token}x`)).toBe(401);
      expect(await status(path, ann.token.replace(ann.token.split('/')[1] ?? '', ben.token.split('/')[1] ?? ''))).toBe(
        401,
      );
      for (const vary of [{ Host: 'other.example' }, { 'X-Forwarded-Host': 'evil.example' }, { Range: 'bytes=0-1' }]) {
        const answer = await rawRequest(service.url, { path, headers: vary });
        expect([401, 404, 400]).toContain(answer.status);
      }
      const head = await request(`${service.url}${path}`, { token: ann.token });
      expect(head.headers.get('cache-control')).toContain('private');
    }
    // A block's name is no permission: a signature for another block or token does not open it.
    await request(`${service.url}/${sign(block.locator, { token: ann.token })}`, { token: ann.token });
    expect(await status(`/${sign(block.locator, { token: ann.token })}`, ben.token)).toBe(400);
    expect(await status(`/${block.locator}`, ben.token)).toBeGreaterThanOrEqual(400);
    // Its own lifetime, then that of the download cache (WEBDAV_CACHE_TTL).
    await new Promise((resolve) => setTimeout(resolve, expiry + 5500 - Date.now()));
    for (const path of paths) expect(await status(path, brief)).toBe(401);
    const revoked = await createToken(service, ann.uuid);
    secrets.push(secretOf(revoked));
    for (const path of paths) expect(await status(path, revoked)).toBe(200);
    const uuid = revoked.split('/')[1];
    expect((await api(service, `api_client_authorizations/${uuid}`, { method: 'DELETE' })).status).toBe(200);
    await new Promise((resolve) => setTimeout(resolve, TOKEN_TTL_SECONDS * 1000 + 5500));
    for (const path of paths) expect(await status(path, revoked)).toBe(401);
  });
});

describe('scopes', () => {
  test('hold for every method and every address, override or not', async () => {
    const user = await createUser(service, 'scoped');
    const scopes = [
      `GET /arvados/v1/collections/${collection.uuid}`,
      `GET /arvados/v1/collections/${collection.uuid}/`,
    ];
    const token = await createToken(service, user.uuid, { scopes });
    secrets.push(secretOf(user.token), secretOf(token));
    const paths = [
      'users/current',
      'users',
      'collections',
      'groups',
      'groups/contents',
      'api_client_authorizations',
      'logs',
      `collections/${collection.uuid}/trash`,
      'uploader_accounts',
    ];
    for (const path of paths) {
      for (const method of ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE']) {
        for (const spelling of [
          path,
          `${path}/`,
          `${path}?_method=GET`,
          `./${path}`,
          `collections/${collection.uuid}/../../${path}`,
          `/${path}`,
        ]) {
          const answer = await rawRequest(service.url, {
            method,
            path: `/arvados/v1/${spelling}`,
            headers: bearer(token),
          });
          expect([400, 401, 403, 404, 405], `${method} ${spelling}`).toContain(answer.status);
        }
      }
    }
    for (const override of ['DELETE', 'delete', 'PATCH', 'PUT']) {
      const answer = await rawRequest(service.url, {
        method: 'POST',
        path: `/arvados/v1/collections/${collection.uuid}`,
        headers: { ...bearer(token), 'x-http-method-override': override },
        body: Buffer.from('{}'),
      });
      expect(answer.status).toBe(403);
    }
    const write = await request(`${service.url}/${SECRET.hash}`, { method: 'PUT', token, body: SECRET.data });
    expect(write.status).toBe(403);
    for (const [method, path] of [
      ['GET', '/index'],
      ['PUT', '/trash'],
      ['PUT', '/pull'],
      ['DELETE', `/${SECRET.hash}`],
      ['PUT', `/untrash/${SECRET.hash}`],
      ['GET', '/metrics'],
    ] as const) {
      const answer = await request(`${service.url}${path}`, {
        method,
        token: user.token,
        ...(method === 'PUT' ? { body: '[]' } : {}),
      });
      expect([401, 403], `${method} ${path}`).toContain(answer.status);
    }
  }, 120_000);
});

describe('a signature', () => {
  test('is good for its block, token, cluster and time alone', async () => {
    const other = blockOf('another block');
    await stored(service, other);
    const good = sign(SECRET.locator);
    const hint = good.slice(SECRET.locator.length);
    const status = async (locator: string, token = ROOT_TOKEN) =>
      (await request(`${service.url}/${locator}`, { token })).status;
    expect(await status(good)).toBe(200);
    expect(await status(`${other.locator}${hint}`)).toBe(400);
    expect(await status(good, `v2/xedge-gj3su-000000000000000/${ROOT_TOKEN}`)).toBe(400);
    expect(await status(sign(SECRET.locator, { key: 'b'.repeat(40) }))).toBe(400);
    expect(await status(sign(SECRET.locator, { ttlSeconds: 1 }))).toBe(400);
    expect(await status(sign(SECRET.locator, { expiry: Math.floor(Date.now() / 1000) - 1 }))).toBe(401);
    expect(await status(good.replace(/@[0-9a-f]{8}$/, '@7ffffffe'))).toBe(400);
    expect(await status(`${good}${hint}`)).toBe(400);
    expect(await status(`${SECRET.locator}+Rzzzzz-${hint.slice(2)}`)).toBe(400);
  });
});

describe('the service as a go-between', () => {
  test('fetches no address that a client names: hints, remotes, cookies, hosts', async () => {
    await using victim = await startKeepServer();
    const { host, port } = victim;
    const hints = [
      `K@${host}:${port}`,
      `K@127.0.0.1`,
      `K@a.b/c`,
      'K@zzzzz',
      `Rzzzzz-${'0'.repeat(40)}@7fffffff`,
      `R${host}-x`,
      'K@xedge-bi6l4-0123456789abcde',
    ];
    for (const hint of hints) {
      const path = `/${SECRET.locator}+${hint}`;
      for (const headers of [
        auth,
        { ...auth, host: `${host}:${port}` },
        { ...auth, 'x-forwarded-host': `${host}:${port}` },
      ]) {
        const answer = await rawRequest(service.url, { path, headers });
        expect(answer.status).toBeLessThan(500);
        expect(answer.status).not.toBe(200);
      }
    }
    expect(victim.connections).toBe(0);
  });

  test('pulls for the root token alone, from plain http addresses, and only from PULL_HOSTS where that is set', async () => {
    await using victim = await startKeepServer();
    await using narrow = await startService({ vars: { PULL_HOSTS: 'keep0.example.org' } });
    const user = await createUser(narrow, 'puller');
    const list = (servers: string[]) => JSON.stringify([{ locator: SECRET.locator, servers, mount_uuid: '' }]);
    const put = (token: string, body: string) => request(`${narrow.url}/pull`, { method: 'PUT', token, body });
    expect([401, 403]).toContain((await put(user.token, list([victim.url]))).status);
    expect(
      (await put(ROOT_TOKEN, list([victim.url, 'file:///etc/passwd', `http://u:p@${victim.host}:${victim.port}`])))
        .status,
    ).toBe(200);
    await new Promise((resolve) => setTimeout(resolve, 2000));
    expect(victim.connections).toBe(0);
    logged.push(...narrow.logs);
  });
});

describe('thousands of mutated requests', () => {
  const seed = Number(process.env.FUZZ_SEED ?? Date.now() % 2 ** 31);
  const requests = Number(process.env.FUZZ_REQUESTS ?? 1500);

  test('get no 5xx, no hang, and nothing secret', async () => {
    const random = createRandom(seed);
    const texts = corpus();
    const counts: Record<number, number> = {};
    const findings: string[] = [];
    const lane = async () => {
      for (let left = requests / 8; left > 0; left--) {
        const { method, path, headers, body } = oneRequest(random, texts);
        try {
          const answer = await fetch(`${service.url}${path}`, {
            method,
            headers,
            redirect: 'manual',
            signal: AbortSignal.timeout(30_000),
            ...(body === undefined ? {} : { body }),
          });
          const text = await answer.text();
          counts[answer.status] = (counts[answer.status] ?? 0) + 1;
          // 507: copies or classes that no volume has. 502: a signed name with another size, as on a keepstore.
          const documented = answer.status === 507 || (answer.status === 502 && path.startsWith(`/${SECRET.hash}+`));
          if (answer.status >= 500 && !documented)
            findings.push(`${answer.status} ${method} ${path} ${body ?? ''}: ${text.slice(0, 200)}`);
          if (
            headers.authorization === undefined &&
            headers.cookie === undefined &&
            text.includes('what only its readers')
          )
            findings.push(`told: ${path}`);
        } catch (error) {
          // What is no valid header or URL never leaves this process.
          if (error instanceof DOMException) findings.push(`hangs: ${method} ${path}`);
        }
      }
    };
    await Promise.all(Array.from({ length: 8 }, lane));
    expect(findings.slice(0, 5), `seed ${seed}`).toEqual([]);
    expect(Object.keys(counts).length).toBeGreaterThan(3);
  }, 600_000);

  function corpus() {
    const uuid = collection.uuid;
    return {
      paths: [
        '/',
        `/${sign(SECRET.locator)}`,
        `/${SECRET.hash}`,
        `/index/${SECRET.hash.slice(0, 3)}`,
        '/mounts',
        `/untrash/${SECRET.hash}`,
        '/status.json',
        '/metrics',
        '/_health/ping',
        `/c=${uuid}/secret.txt?disposition=attachment`,
        `/by_id/${uuid}/`,
        `/collections/${uuid}/`,
        `/c=${uuid}/t=x/`,
        '/users/',
        '/arvados/v1/collections?filters=[["uuid","=","x"]]&order=["name"]&select=["uuid"]&limit=1&offset=0&count=none',
        `/arvados/v1/collections/${uuid}?select=["manifest_text"]`,
        '/arvados/v1/groups/contents?filters=[["any","ilike","%25x%25"]]',
        '/arvados/v1/users/current',
        '/arvados/v1/api_client_authorizations',
        '/arvados/v1/logs',
        '/arvados/v1/keep_services',
        '/discovery/v1/apis/arvados/v1/rest',
        '/arvados/v1/config',
      ],
      words: [
        '?',
        '&',
        '=',
        'filters=',
        'order=',
        'select=',
        'limit=',
        '["properties","contains",[',
        '["any","in",[1]]',
        '%',
        '%00',
        '%ff',
        '//',
        '/../',
        '+A',
        '+K@zzzzz',
        '_method=',
        'c=',
        't=',
        uuid,
        SECRET.hash,
        'application/zip',
      ],
      ranges: ['bytes=0-1', 'bytes=-1', 'bytes=0-0,2-3', 'items=1'],
      bodies: [
        '{"collection":{"name":"x","properties":{"a":{"b":[1]}}}}',
        `{"collection":{"manifest_text":". ${SECRET.locator} 0:1:f\\n"}}`,
        'collection=%7B%22name%22%3A%22x%22%7D',
        '<propfind xmlns="DAV:"><allprop/></propfind>',
        '{"files":["secret.txt"]}',
        '{"group":{"group_class":"project","name":"g"}}',
        `{"collection":{},"replace_files":{"/a":"${collection.portable_data_hash}/secret.txt"}}`,
        '{"api_client_authorization":{"scopes":["all"]}}',
      ],
    };
  }

  function oneRequest(random: Random, { paths, words, ranges, bodies }: ReturnType<typeof corpus>) {
    const maybe = (text: string, from: string[]) =>
      (random.oneIn(3) ? mutate(random, from, words) : text).replace(/[^\x21-\x7e]/g, (char) =>
        encodeURIComponent(char.toWellFormed()),
      );
    const method = random.pick([
      'GET',
      'GET',
      'GET',
      'HEAD',
      'POST',
      'PUT',
      'PATCH',
      'DELETE',
      'OPTIONS',
      'PROPFIND',
      'MKCOL',
      'MOVE',
    ]);
    const path = maybe(random.pick(paths), paths);
    const headers: Record<string, string> = {};
    if (!random.oneIn(4))
      Object.assign(
        headers,
        random.oneIn(4) ? { authorization: maybe(`Bearer ${ROOT_TOKEN}`, [`Bearer ${ROOT_TOKEN}`]) } : auth,
      );
    if (random.oneIn(3)) headers.range = maybe(random.pick(ranges), ranges);
    if (random.oneIn(4)) headers.accept = random.pick(['application/json', 'application/zip', 'text/html', '*/*;q=x']);
    if (random.oneIn(4)) headers.depth = random.pick(['0', '1', 'infinity', 'x']);
    if (random.oneIn(6)) headers['x-http-method-override'] = random.pick(['GET', 'DELETE', 'PATCH', 'TOUCH', 'x']);
    if (random.oneIn(8))
      headers.cookie = `arvados_api_token=${Buffer.from(random.oneIn(2) ? ROOT_TOKEN : 'x').toString('base64')}`;
    if (random.oneIn(8)) headers['x-keep-desired-replicas'] = random.pick(['1', '0', '-1', '99', 'x']);
    if (random.oneIn(8)) headers['x-keep-storage-classes'] = random.pick(['default', 'archive', ',', 'x y']);
    if (random.oneIn(8)) headers['if-match'] = random.pick(['*', '"x"', 'W/"', '']);
    // Lists and deletions are allowed to the root token.
    if (method === 'DELETE' && headers.authorization === auth.authorization)
      return { method: 'GET', path, headers, body: undefined };
    if (method === 'GET' || method === 'HEAD') return { method, path, headers, body: undefined };
    headers['content-type'] = random.pick([
      'application/json',
      'application/x-www-form-urlencoded',
      'multipart/form-data; boundary=x',
      'application/xml',
      'text/plain',
    ]);
    const body = random.oneIn(4)
      ? undefined
      : random.oneIn(2)
        ? random.pick(bodies)
        : mutate(random, bodies, words).toWellFormed();
    return { method, path, headers, body };
  }
});
