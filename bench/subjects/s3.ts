import { createHash } from 'node:crypto';
import { openHeap } from '../../test/load/heap.ts';
import { createUser } from '../../test/support/api.ts';
import { createCollection } from '../../test/support/collections.ts';
import { BLOCK_BYTES, md5, randomBlock } from '../../test/support/keep.ts';
import { type KeyPair, s3Keys, s3Request, signS3 } from '../../test/support/s3-client.ts';
import { startService, type TestService } from '../../test/support/service.ts';
import { download, requestsPerSecond, upload } from '../clients.ts';
import type { BenchContext, Subject } from '../context.ts';
import { cpuPer, cpuSeconds, inTurn, median, residentBytes } from '../measure.ts';
import type { Row } from '../report.ts';

const MIB = 2 ** 20;
const READS_PER_ROUND = 8;
const WRITES_PER_ROUND = 4;
const SMALL_OBJECTS = 64;
const PARTS = 16;
const KEYS = 1_000_000;
const MEMORY_WRITES = 6;
const keyOf = (i: number) => `list-${String(i).padStart(7, '0')}`;

/** Somewhere that speaks S3, and a bucket there. */
interface Place {
  url: string;
  bucket: string;
  keys: KeyPair;
}

/**
 * Objects through S3, held against the same bytes through a bare Worker; and, run under `test/support/s3/with-s3`, beside
 * a Ceph RGW on the same machine, by the time that passes.
 */
export const s3: Subject = {
  name: 's3',
  async run(context) {
    await using floor = await startService({ configFile: 'bench/floor/wrangler.toml' });
    await using edge = await startService();
    const user = await createUser(edge, 'bench');
    const keys = await s3Keys(edge, user.token);
    const { uuid } = await createCollection(edge, '', { owner_uuid: user.uuid });
    const names = Array.from({ length: KEYS }, (_, i) => ` 0:0:${keyOf(i)}`);
    const text = `. d41d8cd98f00b204e9800998ecf8427e+0${names.join('')}\n`;
    const { uuid: many } = await createCollection(edge, text, { owner_uuid: user.uuid });
    const place = { url: edge.url, bucket: uuid, keys };
    const listed = { ...place, bucket: many };
    return [
      ...(await largeObjects(context, floor, edge, place)),
      ...(await memoryOfWrites(context)),
      ...(await smallObjects(context, floor, place)),
      ...(await uploadInParts(context, floor, edge, place)),
      ...(await listing(context, edge, listed)),
      ...(await besideRgw(context, place, listed)),
    ];
  },
};

async function put(place: Place, key: string, body: Uint8Array, headers: Record<string, string> = {}): Promise<void> {
  const url = `${place.url}/${place.bucket}/${key}`;
  const unsigned = { 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD', ...headers };
  const signed = await signS3(url, { method: 'PUT', keys: place.keys, headers: unsigned });
  await upload(url, body, signed.headers);
}

async function link(place: Place, key: string): Promise<string> {
  return (await signS3(`${place.url}/${place.bucket}/${key}`, { keys: place.keys, presign: true })).url;
}

async function largeObjects(
  { rounds, say }: BenchContext,
  floor: TestService,
  edge: TestService,
  place: Place,
): Promise<Row[]> {
  const { data, hash } = randomBlock(BLOCK_BYTES);
  await put(place, 'large', data);
  await upload(`${floor.url}/${hash}`, data);
  const url = await link(place, 'large');
  say('GET of 64 MiB');
  const get = await inTurn(rounds, {
    floor: () => cpuPer(floor.workerdPid, READS_PER_ROUND, () => download(`${floor.url}/${hash}`, BLOCK_BYTES)),
    edge: () => cpuPer(edge.workerdPid, READS_PER_ROUND, () => download(url, BLOCK_BYTES)),
  });
  let serial = 0;
  /** New content each time: the same again would only be compared. */
  const next = () => {
    new DataView(data.buffer).setUint32(0, ++serial);
    return data;
  };
  const bare = () =>
    cpuPer(floor.workerdPid, WRITES_PER_ROUND, () => {
      const body = next();
      return upload(`${floor.url}/${createHash('md5').update(body).digest('hex')}`, body);
    });
  const rows: Row[] = [inMilliseconds('GET of 64 MiB / bare GET', get, 1.2)];
  for (const [what, headersOf, atMost] of [
    ['no digest', () => ({}), 2.2],
    ['Content-MD5', (body: Uint8Array) => ({ 'content-md5': createHash('md5').update(body).digest('base64') }), 2.2],
    [
      'SHA-256',
      (body: Uint8Array) => ({ 'x-amz-content-sha256': createHash('sha256').update(body).digest('hex') }),
      undefined,
    ],
  ] as const) {
    say(`PUT of 64 MiB, ${what}`);
    const written = await inTurn(Math.min(rounds, 3), {
      floor: bare,
      edge: () =>
        cpuPer(edge.workerdPid, WRITES_PER_ROUND, () => {
          const body = next();
          return put(place, 'written', body, headersOf(body));
        }),
    });
    rows.push(inMilliseconds(`PUT of 64 MiB, ${what} / bare PUT with md5`, written, atMost));
  }
  return rows;
}

/** Services of its own: an inspector makes each log line cost more. */
async function memoryOfWrites({ say }: BenchContext): Promise<Row[]> {
  say('memory of PUTs of 64 MiB');
  await using floor = await startService({ configFile: 'bench/floor/wrangler.toml', inspect: true });
  await using edge = await startService({ inspect: true });
  const user = await createUser(edge, 'bench');
  const keys = await s3Keys(edge, user.token);
  const { uuid } = await createCollection(edge, '', { owner_uuid: user.uuid });
  const bare = await growthOf(floor, (body) => upload(`${floor.url}/${md5(body)}`, body));
  const own = await growthOf(edge, (body) => put({ url: edge.url, bucket: uuid, keys }, 'written', body));
  return [
    {
      what: "most that the Worker's isolate holds more during PUTs of 64 MiB / a bare Worker's",
      edge: own.heap,
      floor: bare.heap,
      unit: 'MiB',
      target: { atMost: 64 },
    },
    {
      what: 'growth of the process with all simulators meanwhile / with a bare Worker',
      edge: own.resident,
      floor: bare.resident,
      unit: 'MiB',
    },
  ];
}

/** MiB, while bodies of 64 MiB are written: the most that the isolate held beyond the first write, and what the process grew by. */
async function growthOf(service: TestService, write: (body: Uint8Array) => Promise<void>) {
  const heap = await openHeap(service.inspectorUrl ?? '', 'worker');
  const held = async () => {
    const { heap: own, external } = await heap.usage();
    return own + external;
  };
  const { data } = randomBlock(BLOCK_BYTES);
  await write(data);
  const before = { heap: await held(), resident: residentBytes(service.workerdPid) };
  let most = before.heap;
  let isWriting = true;
  const watch = (async () => {
    while (isWriting) most = Math.max(most, await held());
  })();
  for (let serial = 1; serial <= MEMORY_WRITES; serial++) {
    new DataView(data.buffer).setUint32(0, serial);
    await write(data);
  }
  isWriting = false;
  await watch;
  heap.close();
  return { heap: most - before.heap, resident: (residentBytes(service.workerdPid) - before.resident) / MIB };
}

async function smallObjects({ rounds, say }: BenchContext, floor: TestService, place: Place): Promise<Row[]> {
  say('1 KiB');
  const small = Array.from({ length: SMALL_OBJECTS }, () => randomBlock(1024));
  const links: string[] = [];
  const times = { edge: [] as number[], floor: [] as number[] };
  const timed = async (side: 'edge' | 'floor', work: () => Promise<void>) => {
    const started = performance.now();
    await work();
    times[side].push(performance.now() - started);
  };
  for (const [i, block] of small.entries()) {
    await timed('edge', () => put(place, `small/${i}`, block.data));
    await timed('floor', () => upload(`${floor.url}/${md5(block.data)}`, block.data));
    links.push(await link(place, `small/${i}`));
  }
  const get = await inTurn(rounds, {
    floor: () => requestsPerSecond(small.map(({ hash }) => `${floor.url}/${hash}`)),
    edge: () => requestsPerSecond(links),
  });
  const bare = (query: string) =>
    requestsPerSecond(
      small.map(({ hash }) => `${floor.url}/${hash}${query}`),
      { seconds: 2 },
    );
  const few = Math.min(rounds, 3);
  const row = await inTurn(few, { floor: () => bare(''), edge: () => bare('?row') });
  const logged = await inTurn(few, { floor: () => bare(''), edge: () => bare('?row&log') });
  return [
    { what: 'GETs of 1 KiB a second / bare GETs', ...get, unit: '/s', target: { atLeast: 0.7 } },
    { what: 'bare GETs that look up a row of D1 / bare GETs', ...row, unit: '/s' },
    { what: 'bare GETs that look up a row of D1 and write a log line / bare GETs', ...logged, unit: '/s' },
    {
      what: 'GETs of 1 KiB a second / bare GETs that look up a row and write a log line',
      edge: get.edge,
      floor: logged.edge,
      ratio: get.edge / logged.edge,
      unit: '/s',
    },
    {
      what: 'PUT of 1 KiB / bare PUT with md5',
      edge: median(times.edge),
      floor: median(times.floor),
      ratio: median(times.edge) / median(times.floor),
      unit: 'ms',
    },
  ];
}

async function uploadInParts(
  { say }: BenchContext,
  floor: TestService,
  edge: TestService,
  place: Place,
): Promise<Row[]> {
  say('1 GiB in parts of 64 MiB');
  const blocks = Array.from({ length: PARTS }, () => randomBlock(BLOCK_BYTES));
  const bareBefore = cpuSeconds(floor.workerdPid);
  for (const { data, hash } of blocks) await upload(`${floor.url}/${hash}`, data);
  const bare = cpuSeconds(floor.workerdPid) - bareBefore;
  const before = residentBytes(edge.workerdPid);
  const cpuBefore = cpuSeconds(edge.workerdPid);
  await inParts(
    place,
    blocks.map(({ data }) => data),
  );
  const own = cpuSeconds(edge.workerdPid) - cpuBefore;
  const grown = (residentBytes(edge.workerdPid) - before) / MIB;
  return [
    { what: '1 GiB in parts / bare PUTs with md5', edge: own, floor: bare, ratio: own / bare, unit: 's CPU' },
    {
      what: 'growth of the process with all simulators meanwhile, 1 GiB in parts',
      edge: grown,
      unit: 'MiB',
      target: { atMost: 64 },
    },
  ];
}

async function inParts({ url, bucket, keys }: Place, bodies: Uint8Array[]): Promise<void> {
  const key = `${url}/${bucket}/parts`;
  const created = await s3Request({ url }, `/${bucket}/parts?uploads`, { keys, method: 'POST' });
  const id = /<UploadId>(.*?)</.exec(created.text)?.[1] ?? '';
  for (const [i, body] of bodies.entries()) {
    const address = `${key}?partNumber=${i + 1}&uploadId=${id}`;
    const unsigned = { 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' };
    await upload(address, body, (await signS3(address, { method: 'PUT', keys, headers: unsigned })).headers);
  }
  const parts = bodies.map((body, i) => `<Part><PartNumber>${i + 1}</PartNumber><ETag>${md5(body)}</ETag></Part>`);
  const body = `<CompleteMultipartUpload>${parts.join('')}</CompleteMultipartUpload>`;
  const done = await s3Request({ url }, `/${bucket}/parts?uploadId=${id}`, { keys, method: 'POST', body });
  if (done.status !== 200) throw new Error(`${done.status} ${done.text}`);
}

/** One page of 1,000 keys. */
async function list({ url, bucket, keys }: Place, query = ''): Promise<void> {
  const { status, text } = await s3Request({ url }, `/${bucket}?list-type=2${query}`, { keys });
  if (status !== 200 || text.match(/<Key>/g)?.length !== 1000) throw new Error(`LIST: ${status}`);
}

/** Pages of a large bucket: they should cost the same wherever they begin. */
async function listing({ rounds, say }: BenchContext, edge: TestService, place: Place): Promise<Row[]> {
  say(`LIST of 1,000 of ${KEYS} keys`);
  const rows: Row[] = [];
  const first = await cpuPer(edge.workerdPid, 1, () => list(place));
  rows.push({ what: `the first LIST of ${KEYS} keys in an isolate`, edge: first * 1000, unit: 'ms CPU' });
  for (const page of [1, KEYS / 2000, KEYS / 1000]) {
    const query = page === 1 ? '' : `&start-after=${keyOf((page - 1) * 1000 - 1)}`;
    await list(place, query);
    const seconds = await cpuPer(edge.workerdPid, rounds * 8, () => list(place, query));
    rows.push({ what: `LIST of 1,000 of ${KEYS} keys, page ${page}`, edge: seconds * 1000, unit: 'ms CPU' });
  }
  return rows;
}

/** The same requests to both, one after the other, by the clock. */
async function besideRgw({ rounds, say }: BenchContext, place: Place, listed: Place): Promise<Row[]> {
  const { S3_ENDPOINT, S3_ACCESS_KEY_ID, S3_SECRET_ACCESS_KEY } = process.env;
  if (!S3_ENDPOINT || !S3_ACCESS_KEY_ID || !S3_SECRET_ACCESS_KEY) {
    say('no Ceph RGW: run it under test/support/s3/with-s3');
    return [];
  }
  const keys = { accessKeyId: S3_ACCESS_KEY_ID, secretAccessKey: S3_SECRET_ACCESS_KEY };
  const rgw = { url: S3_ENDPOINT, bucket: `bench-${Date.now()}`, keys };
  await s3Request({ url: rgw.url }, `/${rgw.bucket}`, { keys, method: 'PUT' });
  const rows: Row[] = [];
  const timed = async (work: () => Promise<void>) => {
    const started = performance.now();
    await work();
    return performance.now() - started;
  };
  for (const [what, bytes] of [
    ['1 KiB', 1024],
    ['64 MiB', BLOCK_BYTES],
  ] as const) {
    say(`PUT and GET of ${what} beside Ceph RGW`);
    const { data } = randomBlock(bytes);
    const key = `beside-${bytes}`;
    let serial = 0;
    const write = (to: Place) => () => {
      new DataView(data.buffer).setUint32(0, ++serial);
      return timed(() => put(to, key, data));
    };
    const read = (from: Place) => async () => {
      const url = await link(from, key);
      return timed(() => download(url, bytes));
    };
    const written = await inTurn(rounds, { floor: write(rgw), edge: write(place) });
    const got = await inTurn(rounds, { floor: read(rgw), edge: read(place) });
    rows.push({ what: `PUT of ${what} / Ceph RGW`, ...written, unit: 'ms' });
    rows.push({ what: `GET of ${what} / Ceph RGW`, ...got, unit: 'ms' });
  }
  say('LIST of 1,000 and 1 GiB in parts beside Ceph RGW');
  for (let i = 0; i < 1000; i++) await put(rgw, keyOf(i), new Uint8Array(1));
  const pages = await inTurn(rounds * 4, {
    floor: () => timed(() => list(rgw, '&prefix=list-')),
    edge: () => timed(() => list(listed)),
  });
  rows.push({ what: `LIST of 1,000 (of ${KEYS} keys here) / Ceph RGW`, ...pages, unit: 'ms' });
  const parts = Array.from({ length: PARTS }, () => randomBlock(BLOCK_BYTES).data);
  const floor = await timed(() => inParts(rgw, parts));
  const edge = await timed(() => inParts(place, parts));
  rows.push({ what: '1 GiB in parts / Ceph RGW', edge, floor, ratio: edge / floor, unit: 'ms' });
  return rows;
}

function inMilliseconds(
  what: string,
  { edge, floor, ratio }: { edge: number; floor: number; ratio: number },
  atMost: number | undefined,
): Row {
  const target = atMost === undefined ? {} : { target: { atMost } };
  return { what, edge: edge * 1000, floor: floor * 1000, unit: 'ms CPU', ratio, ...target };
}
