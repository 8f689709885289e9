import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { createCollection } from '../support/collections.ts';
import { getBlock, md5, putBlock, randomBlock, request, sign, type TestBlock } from '../support/keep.ts';
import { openRaw } from '../support/raw-http.ts';
import { ROOT_TOKEN, type TestService } from '../support/service.ts';
import { factsOf, isStaleConnection, watchConnections } from './kept-connections.ts';
import { type MemoryFigures, watchMemory } from './memory.ts';

/** What 64 clients do to one service at once, and what came of it. */
export interface LoadOptions {
  seconds: number;
  /** Bytes of the large blocks. */
  largeBytes: number;
  onProgress?: (line: string) => void;
}

export interface LoadResult {
  seconds: number;
  requests: number;
  /** By kind of client. */
  served: Record<string, number>;
  /** Whatever was not as it should be, up to a hundred. */
  failures: string[];
  bytesRead: number;
  bytesWritten: number;
  /** Requests that met a kept connection which the runtime was just closing for idleness (kept-connections.ts). */
  reconnects: number;
  /** Acknowledged writes that read back whole afterwards, and those that did not. */
  verified: number;
  lost: string[];
  /** Milliseconds of reads of small blocks while everything else went on. */
  smallReads: { count: number; p50: number; p99: number; max: number };
  memory: MemoryFigures;
  vanished: number;
  /** Connections to the service, and its processor time in ms over two idle seconds, when all clients had gone. */
  leftConnections: number;
  idleCpuMs: number;
  /** Log lines that hold a token or a signature. */
  leaks: number;
}

const SMALL = 200;
const LARGE = 6;
const SLOW_BYTES_PER_SECOND = 1024;
const SIGNATURE = /[0-9a-f]{40}@[0-9a-f]{8}/;

/** Runs the mix of 64 clients for a time, then reads back everything that was acknowledged. */
export async function runLoad(service: TestService, options: LoadOptions): Promise<LoadResult> {
  const { url } = service;
  watchConnections();
  const small = Array.from({ length: SMALL }, () => randomBlock(1 + randomInt(64 << 10)));
  const large = Array.from({ length: LARGE }, () => randomBlock(options.largeBytes));
  for (const block of [...small, ...large]) await putBlock(url, block);
  const text = `. ${small.map((block) => block.locator).join(' ')} ${large[0]?.locator} ${small.map(({ data }, i) => `${startOf(small, i)}:${data.length}:file${i}`).join(' ')}\n./large ${large[1]?.locator} 0:${options.largeBytes}:big.bin\n`;
  const collection = await createCollection(service, text);

  const acknowledged: TestBlock[] = [];
  const collections = new Map<string, string>();
  const latencies: number[] = [];
  const served: Record<string, number> = {};
  const failures: string[] = [];
  let [bytesRead, bytesWritten, vanished, leaks, reconnects] = [0, 0, 0, 0, 0];
  const started = Date.now();
  const deadline = started + options.seconds * 1000;
  const running = () => Date.now() < deadline;
  const any = <T>(items: T[]) => items[randomInt(items.length)] as T;
  const must = (holds: boolean, what: string) => {
    if (!holds) throw new Error(what);
  };

  const readSmall = async () => {
    const block = any(small);
    const before = performance.now();
    const answer = await getBlock(url, block);
    latencies.push(performance.now() - before);
    must(answer.status === 200 && md5(answer.body) === block.hash, `small read: ${answer.status}`);
    bytesRead += answer.body.length;
  };
  const readLarge = async () => {
    const block = any(large);
    const answer = await getBlock(url, block);
    must(answer.status === 200 && md5(answer.body) === block.hash, `large read: ${answer.status}`);
    bytesRead += answer.body.length;
  };
  const readRange = async () => {
    const offset = randomInt(options.largeBytes - 1000);
    const headers = { Range: `bytes=${offset}-${offset + 999}` };
    const answer = await request(`${url}/c=${collection.uuid}/large/big.bin`, { headers });
    const wanted = large[1]?.data.subarray(offset, offset + 1000) as Uint8Array;
    must(answer.status === 206 && Buffer.compare(answer.body, wanted) === 0, `range: ${answer.status}`);
    bytesRead += answer.body.length;
  };
  const readFile = async () => {
    const index = randomInt(SMALL);
    const answer = await request(`${url}/c=${collection.uuid}/file${index}`);
    must(answer.status === 200 && md5(answer.body) === small[index]?.hash, `file: ${answer.status}`);
    bytesRead += answer.body.length;
  };
  const write = (bytes: () => number) => async () => {
    const block = randomBlock(bytes());
    await putBlock(url, block);
    // Only the name: the data of ten minutes would not fit into memory.
    acknowledged.push({ ...block, data: new Uint8Array() });
    bytesWritten += block.data.length;
  };
  const list = async () => {
    const kind = randomInt(4);
    const answer =
      kind === 0
        ? await request(`${url}/index/${randomInt(256).toString(16).padStart(2, '0')}`)
        : kind === 1
          ? await request(`${url}/arvados/v1/collections?limit=20&filters=[["name","like","load %25"]]`)
          : kind === 2
            ? await request(`${url}/c=${collection.uuid}/`, { headers: { Accept: 'application/json' } })
            : await request(`${url}/c=${collection.uuid}/`, { method: 'PROPFIND', headers: { Depth: '1' } });
    must(answer.status === (kind === 3 ? 207 : 200), `list ${kind}: ${answer.status} ${answer.text.slice(0, 200)}`);
    if (kind === 0) must(/(^|\n)\n$/.test(answer.text), 'an index without its end');
    bytesRead += answer.body.length;
  };
  const save = async () => {
    const block = any(small);
    const manifest = `. ${block.locator} 0:${block.data.length}:saved-${Math.random()}\n`;
    const made = await createCollection(service, manifest, { name: `load ${Math.random()}` });
    collections.set(made.uuid, made.portable_data_hash);
    await sleep(100);
  };
  /** Takes a large block at 1 KiB/s, and tires after a while. */
  const readSlowly = async () => {
    const socket = await openRaw(url, { path: `/${sign(any(large).locator)}`, headers: auth() });
    socket.on('error', () => {});
    socket.pause();
    for (let read = 0; read < 30 && running(); read++) {
      socket.read(SLOW_BYTES_PER_SECOND);
      await sleep(1000);
    }
    socket.destroy();
  };
  /** Sends a small block at 1 KiB/s: it must still be stored. */
  const writeSlowly = async () => {
    const block = randomBlock(Math.min(10, Math.max(2, options.seconds / 4)) * SLOW_BYTES_PER_SECOND);
    const headers = { ...auth(), 'content-length': String(block.data.length) };
    const socket = await openRaw(url, { method: 'PUT', path: `/${block.hash}`, headers });
    let answer = '';
    socket.on('data', (chunk) => {
      answer += String(chunk);
    });
    for (let at = 0; at < block.data.length; at += SLOW_BYTES_PER_SECOND) {
      socket.write(block.data.subarray(at, at + SLOW_BYTES_PER_SECOND));
      await sleep(1000);
    }
    if (!socket.closed) await once(socket, 'close');
    must(answer.startsWith('HTTP/1.1 200'), `slow write: ${answer.slice(0, 100)}`);
    acknowledged.push({ ...block, data: new Uint8Array() });
  };
  /** Goes away in the middle of what it asked for, or of what it was sending. */
  const vanish = async () => {
    vanished++;
    if (randomInt(2) === 0) {
      const socket = await openRaw(url, { path: `/${sign(any(large).locator)}`, headers: auth() });
      socket.on('error', () => {});
      await once(socket, 'data');
      socket.resetAndDestroy();
    } else {
      const block = randomBlock(1 << 20);
      const headers = { ...auth(), 'content-length': String(block.data.length) };
      const socket = await openRaw(url, { method: 'PUT', path: `/${block.hash}`, headers });
      socket.on('error', () => {});
      await new Promise<void>((resolve) => socket.write(block.data.subarray(0, 300_000), () => resolve()));
      socket.resetAndDestroy();
    }
    await sleep(200);
  };

  const kinds: [name: string, clients: number, act: () => Promise<void>][] = [
    ['small reads', 24, readSmall],
    ['files', 8, readFile],
    ['ranges', 8, readRange],
    ['lists', 6, list],
    ['small writes', 6, write(() => 1 + randomInt(32 << 10))],
    ['large reads', 3, readLarge],
    ['large writes', 2, write(() => options.largeBytes)],
    ['collection saves', 3, save],
    ['slow readers', 2, readSlowly],
    ['slow writers', 1, writeSlowly],
    ['vanishing', 1, vanish],
  ];
  const lane = async (name: string, act: () => Promise<void>) => {
    while (running()) {
      try {
        await act();
        served[name] = (served[name] ?? 0) + 1;
      } catch (error) {
        const known = factsOf(error instanceof Error ? error.cause : undefined);
        if (isStaleConnection(known)) reconnects++;
        else if (failures.length < 100) failures.push(`${name}: ${explain(error)} ${JSON.stringify(known) ?? ''}`);
        await sleep(100);
      }
      if (name === 'large writes' || name === 'small writes') await sleep(name === 'small writes' ? 50 : 2000);
    }
  };
  const watch = setInterval(() => {
    for (const line of service.logs.splice(0)) if (leaksSecret(JSON.stringify(line))) leaks++;
  }, 1000);
  const memory = await watchMemory(service);
  const report = setInterval(() => {
    const total = Object.values(served).reduce((sum, count) => sum + count, 0);
    options.onProgress?.(
      `${Math.round((Date.now() - started) / 1000)} s: ${total} requests, ${memory.now()}, ${failures.length} failures`,
    );
  }, 30_000);
  await Promise.all(kinds.flatMap(([name, clients, act]) => Array.from({ length: clients }, () => lane(name, act))));
  clearInterval(report);
  const figures = await memory.end();
  const seconds = (Date.now() - started) / 1000;

  // Everybody has gone: what is still there has no one to be there for.
  await sleep(3000);
  const before = cpuMs(service.workerdPid);
  await sleep(2000);
  const idleCpuMs = cpuMs(service.workerdPid) - before;
  clearInterval(watch);
  const leftConnections = busyConnections(Number(new URL(url).port));

  const lost: string[] = [];
  let verified = 0;
  for (const block of acknowledged) {
    const answer = await request(`${url}/${sign(block.locator)}`);
    if (answer.status === 200 && md5(answer.body) === block.hash) verified++;
    else lost.push(`${block.locator}: ${answer.status}`);
  }
  for (const [uuid, hash] of collections) {
    const answer = await request(`${url}/arvados/v1/collections/${uuid}`);
    if (
      answer.status === 200 &&
      (JSON.parse(answer.text) as { portable_data_hash: string }).portable_data_hash === hash
    )
      verified++;
    else lost.push(`${uuid}: ${answer.status}`);
  }
  for (const line of service.logs.splice(0)) if (leaksSecret(JSON.stringify(line))) leaks++;
  latencies.sort((a, b) => a - b);
  const at = (share: number) => latencies[Math.floor((latencies.length - 1) * share)] ?? 0;
  return {
    seconds,
    requests: Object.values(served).reduce((sum, count) => sum + count, 0) + failures.length,
    served,
    failures,
    reconnects,
    bytesRead,
    bytesWritten,
    verified,
    lost,
    smallReads: { count: latencies.length, p50: at(0.5), p99: at(0.99), max: at(1) },
    memory: figures,
    vanished,
    leftConnections,
    idleCpuMs,
    leaks,
  };
}

function auth(): Record<string, string> {
  return { authorization: `Bearer ${ROOT_TOKEN}` };
}

function startOf(blocks: TestBlock[], index: number): number {
  return blocks.slice(0, index).reduce((sum, { data }) => sum + data.length, 0);
}

function leaksSecret(line: string): boolean {
  return line.includes(ROOT_TOKEN) || SIGNATURE.test(line);
}

function explain(error: unknown): string {
  return error instanceof Error && error.cause !== undefined ? `${error} (${String(error.cause)})` : String(error);
}

/** User and system time so far. */
function cpuMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

/** Established connections of the service with bytes still waiting to be sent: idle ones of a client's pool have none. */
function busyConnections(port: number): number {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  return readFileSync('/proc/net/tcp', 'utf8')
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter(
      ([, local, , state, queues]) => local?.endsWith(suffix) && state === '01' && !queues?.startsWith('00000000'),
    ).length;
}
