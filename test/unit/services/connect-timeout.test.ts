import { spawn } from 'node:child_process';
import { once } from 'node:events';
import net from 'node:net';
import { expect, test } from 'vitest';
import { createNodeTransport } from '../../../src/cli/node-transport.ts';

/** Listens, then never accepts: once its backlog is full, connection attempts get no answer at all. */
const DEAF_SERVER = `
  const server = require('node:net').createServer();
  server.listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {
    require('node:fs').writeSync(1, String(server.address().port) + '\\n');
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
  });`;

test('a connection that does not come about is given up after the connect timeout', async () => {
  const deaf = spawn(process.execPath, ['-e', DEAF_SERVER], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = (await once(deaf.stdout, 'data')) as [Buffer];
  const port = Number(line.toString());
  const fillers = Array.from({ length: 4 }, () => net.connect(port, '127.0.0.1').on('error', () => undefined));
  await Promise.all(fillers.slice(0, 2).map((socket) => once(socket, 'connect')));
  const transport = createNodeTransport();
  try {
    const sending = transport.send({
      method: 'GET',
      url: `http://127.0.0.1:${port}/`,
      headers: {},
      connectTimeoutMs: 200,
      signal: AbortSignal.timeout(10_000),
    });
    await expect(sending).rejects.toThrow('no connection within 0.2 s');
  } finally {
    transport.close();
    for (const socket of fillers) socket.destroy();
    deaf.kill('SIGKILL');
  }
});
