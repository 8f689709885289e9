import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import http from 'node:http';
import https from 'node:https';
import net, { type AddressInfo, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import tls from 'node:tls';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { localCertificate } from '../../../dev/certificate.ts';
import { createApi } from '../../../src/cli/api-client.ts';
import { trustedAuthorities } from '../../../src/cli/certificates.ts';
import { createNetwork, type NetworkOptions } from '../../../src/cli/network.ts';
import { proxyFor } from '../../../src/cli/proxy.ts';
import { hintedCluster, openSession } from '../../../src/cli/session.ts';
import { readSettings } from '../../../src/cli/settings.ts';
import { locatorOf, startKeepServer } from '../../support/keep-server.ts';

let directory: string;
let certificate: { key: string; cert: string };
let secure: Server;
let plain: Server;
const servers: Server[] = [];
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'keep-edge-network-'));
  certificate = await localCertificate(directory);
  await writeFile(join(directory, 'ca.pem'), certificate.cert);
  secure = await listen(https.createServer(certificate, (_request, response) => response.end('over TLS')));
  plain = await listen(http.createServer((_request, response) => response.end('plain')));
});
afterAll(async () => {
  for (const server of servers) server.close();
  await rm(directory, { recursive: true });
});

async function listen<S extends Server>(server: S): Promise<S> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  server.unref();
  servers.push(server);
  return server;
}
const portOf = (server: Server) => (server.address() as AddressInfo).port;

/** A proxy that forwards what it is asked for, and keeps a record. */
async function startProxy({ credentials }: { credentials?: string } = {}) {
  const seen: string[] = [];
  const isAllowed = (headers: http.IncomingHttpHeaders) =>
    credentials === undefined ||
    headers['proxy-authorization'] === `Basic ${Buffer.from(credentials).toString('base64')}`;
  const server = http.createServer((request, response) => {
    seen.push(`${request.method} ${request.url}`);
    if (!isAllowed(request.headers)) response.writeHead(407).end();
    else http.get(request.url ?? '', (answer) => answer.pipe(response.writeHead(answer.statusCode ?? 0)));
  });
  server.on('connect', (request, client) => {
    seen.push(`CONNECT ${request.url}`);
    if (!isAllowed(request.headers)) return void client.end('HTTP/1.1 407 Proxy Authentication Required\r\n\r\n');
    const [host, port] = (request.url ?? '').split(':');
    const upstream = net.connect(Number(port), host ?? '', () => {
      client.write('HTTP/1.1 200 Connection established\r\n\r\n');
      client.pipe(upstream).pipe(client);
    });
    upstream.on('error', () => client.destroy());
    client.on('error', () => upstream.destroy());
  });
  await listen(server);
  return { seen, url: `127.0.0.1:${portOf(server)}` };
}

async function get(url: string, options: NetworkOptions): Promise<string> {
  const network = createNetwork(options);
  try {
    const request = network.request(new URL(url), { method: 'GET', headers: {} });
    const answer = once(request, 'response');
    request.end();
    const [response] = (await answer) as [http.IncomingMessage];
    return await text(response);
  } finally {
    network.close();
  }
}

const PROXIES = { http_proxy: 'http://p:1', https_proxy: 'http://p:2' };
test.each([
  ['http://h/', PROXIES, 'http://p:1/'],
  ['https://h/', PROXIES, 'http://p:2/'],
  ['https://h/', { HTTPS_PROXY: 'p:3128' }, 'http://p:3128/'],
  ['https://h/', { https_proxy: 'https://p' }, 'https://p/'],
  ['https://h/', { ALL_PROXY: 'http://p:3' }, 'http://p:3/'],
  ['https://h/', { https_proxy: '', ALL_PROXY: 'http://p:3' }, null],
  ['http://h/', { HTTP_PROXY: 'http://p:1' }, 'http://p:1/'],
  ['http://h/', { HTTP_PROXY: 'http://p:1', REQUEST_METHOD: 'GET' }, null],
  ['http://h/', {}, null],
])('%s with %o goes through %s', (url, env, proxy) => {
  expect(proxyFor(new URL(url), env)?.href ?? null).toBe(proxy);
});

test.each([
  ['*', 'http://anything/', true],
  ['example.org', 'http://example.org/', true],
  ['example.org', 'https://keep.EXAMPLE.org/', true],
  ['.example.org', 'https://keep.example.org/', true],
  ['.example.org', 'https://example.org/', true],
  ['*.example.org', 'https://keep.example.org/', true],
  ['example.org.', 'https://example.org/', true],
  ['example.org', 'https://notexample.org/', false],
  ['example.org', 'https://example.org.evil/', false],
  ['a, b example.org', 'https://example.org/', true],
  ['example.org:8443', 'https://example.org:8443/', true],
  ['example.org:8443', 'https://example.org/', false],
  ['example.org:443', 'https://example.org/', true],
  ['127.0.0.1', 'http://127.0.0.1:8787/', true],
  ['127.0.0.1:8787', 'http://127.0.0.1:8787/', true],
  ['127.0.0.1:8788', 'http://127.0.0.1:8787/', false],
  ['0.0.1', 'http://127.0.0.1/', false],
  ['10.0.0.0/8', 'http://10.200.1.1/', true],
  ['10.0.0.0/8', 'http://11.0.0.1/', false],
  ['10.0.0.0/33', 'http://10.0.0.1/', false],
  ['::1', 'http://[::1]:8787/', true],
  ['[::1]:8787', 'http://[::1]:8787/', true],
  ['[::1]', 'http://[::1]/', true],
  ['fd00::/8', 'http://[fd12::1]/', true],
  ['10.0.0.0/8', 'http://[fd12::1]/', false],
  ['', 'http://h/', false],
  [' , ,', 'http://h/', false],
])('no_proxy "%s" and %s: %s', (list, url, excluded) => {
  for (const name of ['no_proxy', 'NO_PROXY'])
    expect(proxyFor(new URL(url), { ...PROXIES, [name]: list }) === null).toBe(excluded);
});

test('a proxy that cannot be used is named by its variable', () => {
  for (const https_proxy of ['socks5://p:1080', 'http://', 'not an address'])
    expect(() => proxyFor(new URL('https://h/'), { https_proxy })).toThrow('https_proxy');
});

test('plain requests go to the proxy with their whole address, TLS through a tunnel, and no_proxy past it', async () => {
  const proxy = await startProxy();
  const env = { http_proxy: proxy.url, https_proxy: proxy.url, SSL_CERT_FILE: join(directory, 'ca.pem') };
  const [http, https] = [`http://127.0.0.1:${portOf(plain)}/x?y=1`, `https://127.0.0.1:${portOf(secure)}/z`];
  expect(await get(http, { env })).toBe('plain');
  expect(await get(https, { env })).toBe('over TLS');
  expect(proxy.seen).toEqual([`GET ${http}`, `CONNECT 127.0.0.1:${portOf(secure)}`]);
  expect(await get(https, { env: { ...env, no_proxy: '127.0.0.1' } })).toBe('over TLS');
  expect(proxy.seen).toHaveLength(2);
});

test('user and password of a proxy are sent, decoded; without them its refusal is told', async () => {
  const proxy = await startProxy({ credentials: 'me:p@ss word' });
  const env = (address: string) => ({
    http_proxy: address,
    https_proxy: address,
    SSL_CERT_FILE: join(directory, 'ca.pem'),
  });
  const url = `https://127.0.0.1:${portOf(secure)}/`;
  expect(await get(url, { env: env(`http://me:p%40ss%20word@${proxy.url}`) })).toBe('over TLS');
  await expect(get(url, { env: env(proxy.url) })).rejects.toThrow(`the proxy ${proxy.url} refused with 407`);
});

test('a tunnel does not weaken the check of the certificate', async () => {
  const proxy = await startProxy();
  const url = `https://127.0.0.1:${portOf(secure)}/`;
  const env = { https_proxy: proxy.url, SSL_CERT_FILE: '' };
  await expect(get(url, { env })).rejects.toThrow(/self.signed/i);
  expect(await get(url, { env, insecure: true })).toBe('over TLS');
});

test('a proxy that is not there is named', async () => {
  const gone = await listen(net.createServer());
  const address = `127.0.0.1:${portOf(gone)}`;
  gone.close();
  await expect(get('https://127.0.0.1:1/', { env: { https_proxy: address } })).rejects.toThrow(`the proxy ${address}`);
});

test('SSL_CERT_FILE decides whom to trust, then the first store that is there; NODE_EXTRA_CA_CERTS adds', async () => {
  const url = `https://127.0.0.1:${portOf(secure)}/`;
  const ca = join(directory, 'ca.pem');
  const other = join(directory, 'other.pem');
  await writeFile(other, tls.rootCertificates[0] ?? '');
  expect(await get(url, { env: { SSL_CERT_FILE: ca } })).toBe('over TLS');
  await expect(get(url, { env: { SSL_CERT_FILE: other } })).rejects.toThrow(/self.signed/i);
  expect(await get(url, { env: { SSL_CERT_FILE: other, NODE_EXTRA_CA_CERTS: ca } })).toBe('over TLS');
  expect(trustedAuthorities({}, ['/nowhere.pem', ca])).toEqual([certificate.cert]);
  expect(trustedAuthorities({ SSL_CERT_FILE: other }, [ca])?.join('')).not.toContain(certificate.cert);
});

test('certificates that are set and cannot be read are named, not passed over', async () => {
  await writeFile(join(directory, 'empty.pem'), 'nothing');
  for (const file of ['/nowhere.pem', join(directory, 'empty.pem')]) {
    expect(() => trustedAuthorities({ SSL_CERT_FILE: file })).toThrow(`SSL_CERT_FILE, ${file}`);
    const api = createApi(
      { apiUrl: 'https://127.0.0.1:1', token: 't', insecure: false },
      { env: { SSL_CERT_FILE: file } },
    );
    await expect(api('x')).rejects.toThrow('SSL_CERT_FILE');
    api.close();
  }
});

test('the API server and the Keep services may be below a path', async () => {
  const data = 'behind a path';
  await using server = await startKeepServer(({ url = '' }) => {
    if (url === '/cluster/arvados/v1/users/current') return { status: 200, body: '{"uuid":"u"}' };
    if (url === `/cluster/keep/${locatorOf(data)}`) return { status: 200, body: data };
    return { status: 404 };
  });
  const settings = readSettings({
    HOME: '/nowhere',
    ARVADOS_API_HOST: `${server.url}/cluster/`,
    ARVADOS_API_TOKEN: 't',
    ARVADOS_KEEP_SERVICES: `${server.url}/cluster/keep/`,
  });
  const session = openSession({ settings });
  expect(await session.api('arvados/v1/users/current')).toEqual({ uuid: 'u' });
  expect(Buffer.from(await session.keep.getVerified(locatorOf(data))).toString()).toBe(data);
  await expect(session.api('arvados/v1/nothing')).rejects.toThrow('nothing: 404');
  session.close();
});

const SECRET = '3kg6k6lzmp9kj5cpkcoxie963cmvjahbt2fod9zru30k1jqdmi';
test.each([
  ['a token of this cluster', `v2/zzzzz-gj3su-077z32aux8dg2s1/${SECRET}`, true],
  ['a token without a version', SECRET, false],
  ['a token that is salted already', `v2/zzzzz-gj3su-077z32aux8dg2s1/${'a'.repeat(40)}`, false],
  ['a token that the hinted cluster has issued', `v2/xxxxx-gj3su-077z32aux8dg2s1/${SECRET}`, false],
])('a +K@xxxxx hint never gets the secret of %s', (_, token, isFollowed) => {
  const target = hintedCluster('xxxxx', token);
  expect(target === null).toBe(!isFollowed);
  expect(JSON.stringify(target)).not.toContain(token.split('/').at(-1));
  if (isFollowed) expect(target?.url).toBe('https://keep.xxxxx.arvadosapi.com');
});
