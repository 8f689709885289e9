import { createHash } from 'node:crypto';
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Heap, openHeap } from '../load/heap.ts';
import { createUser, type TestUser } from '../support/api.ts';
import { createCollection } from '../support/collections.ts';
import { request } from '../support/keep.ts';
import { openRaw, type RawRequest } from '../support/raw-http.ts';
import { type KeyPair, s3Keys, signS3 } from '../support/s3-client.ts';
import { startService, type TestService } from '../support/service.ts';

/** Clients that send a part of a body and wait: what the isolate holds for all of them is bounded, and others are served. */

const [KIB, MIB] = [1024, 1024 * 1024];
const CLIENTS = 150;
/** MiB that the isolate, which has 128, may hold more for them. */
const MAX_GROWTH = 40;

let service: TestService;
let user: TestUser;
let keys: KeyPair;
let uuid: string;
let heap: Heap;

beforeAll(async () => {
  service = await startService({ inspect: true });
  user = await createUser(service, 'slow');
  keys = await s3Keys(service, user.token);
  ({ uuid } = await createCollection(service, '', { owner_uuid: user.uuid, name: 'slow' }));
  heap = await openHeap(service.inspectorUrl ?? '', 'worker');
});
afterAll(async () => {
  heap.close();
  await service.stop();
});

const held = async () => {
  const { heap: script, external } = await heap.usage();
  return script + external;
};

/** What arrives of a request that announces more. */
function partOf(announced: number, sent: Uint8Array, options: Omit<RawRequest, 'body'>): RawRequest {
  return { ...options, headers: { ...options.headers, 'content-length': String(announced) }, body: sent };
}

async function signed(method: string, path: string, headers: Record<string, string>, sent: Uint8Array) {
  const all = { 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD', ...headers };
  const { host: _, ...own } = (await signS3(`${service.url}${path}`, { method, headers: all, keys })).headers;
  return partOf(8 * MIB, sent, { method, path, headers: own });
}

const bearer = () => ({ authorization: `Bearer ${user.token}` });
const hashOf = (i: number) => createHash('md5').update(String(i)).digest('hex');
const zeros = (bytes: number) => Buffer.alloc(bytes, '0');
const json = { 'content-type': 'application/json' };
const form = { 'content-type': 'application/x-www-form-urlencoded' };
/** So much of a body that the first of its chunks has been read, and the next one begun. */
const SOME = 600 * KIB;

const KINDS: Record<string, (i: number) => RawRequest | Promise<RawRequest>> = {
  'forms of anyone': () => partOf(4 * MIB, zeros(3.5 * MIB), { method: 'POST', path: `/c=${uuid}/`, headers: form }),
  'queries in forms': () =>
    partOf(MIB, zeros(900 * KIB), { method: 'POST', path: '/arvados/v1/collections', headers: form }),
  records: () =>
    partOf(8 * MIB, Buffer.concat([Buffer.from('{"collection":{"name":"'), zeros(3.5 * MIB)]), {
      method: 'POST',
      path: '/arvados/v1/collections',
      headers: { ...bearer(), ...json },
    }),
  manifests: () =>
    partOf(8 * MIB, Buffer.from(`{"manifest_text":"${`. ${hashOf(0)}+1 0:1:${'f'.repeat(400)}\\n`.repeat(5000)}`), {
      method: 'POST',
      path: '/arvados/v1/collections',
      headers: { authorization: `Bearer ${service.rootToken}`, ...json },
    }),
  'documents of S3': () => signed('POST', `/${uuid}?delete=`, {}, Buffer.from('<Delete>')),
  'small blocks': (i) => partOf(256 * KIB, zeros(1), { method: 'PUT', path: `/${hashOf(i)}`, headers: bearer() }),
  'blocks without a name': () => partOf(8 * MIB, zeros(SOME), { method: 'POST', path: '/', headers: bearer() }),
  'small files': (i) => partOf(200 * KIB, zeros(1), { method: 'PUT', path: `/c=${uuid}/f${i}`, headers: bearer() }),
  'objects with a SHA-256': (i) =>
    signed('PUT', `/${uuid}/o${i}`, { 'x-amz-content-sha256': 'a'.repeat(64) }, zeros(SOME)),
};

/** What they hold once it no longer changes: all that has arrived has been gone through. */
async function settled(): Promise<number> {
  let figures: number[] = [];
  for (;;) {
    figures = [...figures, await held()].slice(-3);
    if (figures.length === 3 && Math.max(...figures) - Math.min(...figures) < 2) return figures[2] ?? 0;
    await sleep(700);
  }
}

test.each(Object.keys(KINDS))('%s that stop half-way hold little together, and no one else up', async (kind) => {
  const before = await held();
  const sockets: Socket[] = [];
  try {
    for (let i = 0; i < CLIENTS; i++) sockets.push(await openRaw(service.url, (await KINDS[kind]?.(i)) as RawRequest));
    for (const socket of sockets) socket.on('error', () => undefined).resume();
    expect((await settled()) - before).toBeLessThan(MAX_GROWTH);
    const answer = await request(`${service.url}/arvados/v1/users/current`, { token: user.token });
    expect(answer.status).toBe(200);
  } finally {
    for (const socket of sockets) socket.destroy();
  }
});
