import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import https from 'node:https';
import net, { type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { localCertificate } from '../../../dev/certificate.ts';
import { createNodeTransport } from '../../../src/cli/node-transport.ts';

const get = (url: string) => ({
  method: 'GET' as const,
  url,
  headers: {},
  connectTimeoutMs: 2_000,
  signal: AbortSignal.timeout(10_000),
});

test('a certificate of an unknown authority is refused, unless the user said otherwise', async () => {
  const state = await mkdtemp(join(tmpdir(), 'keep-edge-'));
  const server = https.createServer(await localCertificate(state), (_request, response) => response.end('secret'));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  const strict = createNodeTransport();
  const lax = createNodeTransport({ insecure: true });
  try {
    await expect(strict.send(get(url))).rejects.toThrow(/self.signed/i);
    expect(await (await lax.send(get(url))).text()).toBe('secret');
  } finally {
    strict.close();
    lax.close();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    await rm(state, { recursive: true });
  }
});

test('a kept connection that the server closes just then costs nothing: the request goes out again', async () => {
  let connections = 0;
  // The first connection answers once; whatever comes on it after that is cut off without an answer.
  const server = net.createServer((socket) => {
    const isFirst = ++connections === 1;
    let requests = 0;
    socket
      .on('error', () => undefined)
      .on('data', () => {
        if (isFirst && ++requests > 1) socket.resetAndDestroy();
        else socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
      });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  const transport = createNodeTransport();
  try {
    expect(await (await transport.send(get(url))).text()).toBe('ok');
    await new Promise((resolve) => setImmediate(resolve));
    expect(await (await transport.send(get(url))).text()).toBe('ok');
    expect(connections).toBe(2);
  } finally {
    transport.close();
    await new Promise((resolve) => server.close(resolve));
  }
});

test('a server that only closes connections is a failure, not an endless loop', async () => {
  const server = net.createServer(
    (socket) => void socket.on('error', () => undefined).on('data', () => socket.resetAndDestroy()),
  );
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const transport = createNodeTransport();
  try {
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    await expect(transport.send(get(url))).rejects.toThrow();
  } finally {
    transport.close();
    await new Promise((resolve) => server.close(resolve));
  }
});
