import { spawn } from 'node:child_process';
import { get, request } from 'node:http';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout } from 'node:timers/promises';
import { openRaw } from '../test/support/raw-http.ts';
import { residentBytes } from './measure.ts';

/** Clients that count bytes and drop them. */

type Headers = Record<string, string>;

/** Reads one answer to its end and checks that it is a 200 or 206 of the right length. */
export function download(url: string, bytes: number, headers: Headers = {}): Promise<void> {
  return new Promise((resolve, reject) => {
    get(url, { headers }, (response) => {
      let left = bytes;
      response.on('data', (chunk: Buffer) => {
        left -= chunk.length;
      });
      response.on('error', reject).on('end', () => {
        if ((response.statusCode === 200 || response.statusCode === 206) && left === 0) resolve();
        else reject(new Error(`${url}: ${response.statusCode}, ${left} bytes short`));
      });
    }).on('error', reject);
  });
}

export function upload(url: string, body: Uint8Array, headers: Headers = {}): Promise<void> {
  return new Promise((resolve, reject) => {
    const sent = request(url, { method: 'PUT', headers: { 'content-length': body.length, ...headers } }, (response) => {
      if (response.statusCode !== 200) reject(new Error(`${url}: ${response.statusCode}`));
      response.on('error', reject).on('end', resolve).resume();
    });
    sent.on('error', reject).end(body);
  });
}

/** Requests per second over these URLs, from a process of its own. Every URL must answer 200. */
export async function requestsPerSecond(urls: string[], { connections = 16, seconds = 3 } = {}): Promise<number> {
  const args = [join(import.meta.dirname, 'load.ts'), String(connections), String(seconds)];
  const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  child.stdin.end(urls.join('\n'));
  const figure = Number(await text(child.stdout));
  if (!(figure > 0)) throw new Error('the load generator failed');
  return figure;
}

const SLOW_READ_BYTES = 64 * 1024;
const SLOW_READ_EVERY_MS = 50;

/** How many bytes a process's memory grows at most while `count` clients read the URL, a little at a time, for some seconds. */
export async function growthUnderSlowClients(
  pid: number,
  base: string,
  path: string,
  headers: Headers,
  { count = 32, seconds = 5 } = {},
): Promise<number> {
  const before = residentBytes(pid);
  const sockets = await Promise.all(Array.from({ length: count }, () => openRaw(base, { path, headers })));
  for (const socket of sockets) socket.pause();
  let most = before;
  for (const end = performance.now() + seconds * 1000; performance.now() < end; ) {
    for (const socket of sockets) socket.read(Math.min(SLOW_READ_BYTES, socket.readableLength));
    most = Math.max(most, residentBytes(pid));
    await setTimeout(SLOW_READ_EVERY_MS);
  }
  for (const socket of sockets) socket.on('error', () => {}).destroy();
  return most - before;
}
