import { parseArgs } from 'node:util';
import { createCollection } from '../support/collections.ts';
import { eachOf, md5, putBlock, randomBlock, request, sign, type TestBlock } from '../support/keep.ts';
import { rawRequest } from '../support/raw-http.ts';
import { createS3Bucket, s3Secrets, s3Server, s3Volume } from '../support/s3.ts';
import { type S3Proxy, startS3Proxy } from '../support/s3-proxy.ts';
import { startService, type TestService } from '../support/service.ts';
import { dataKey, R2_VOLUME, r2Volume, S3_VOLUME } from '../support/volumes.ts';

/**
 * `npm run test:reads`: reads from two buckets of a real S3 server, each behind a proxy that delays, cuts and flips.
 * `-- --flips N --reads N --kills N` for other numbers, `--only hedging|flips|pull` for a part.
 */
const { values } = parseArgs({
  options: {
    flips: { type: 'string', default: '10000' },
    reads: { type: 'string', default: '4000' },
    kills: { type: 'string', default: '20' },
    only: { type: 'string' },
  },
});
const MIB = 2 ** 20;
const OTHER_VOLUME = 'xedge-nyw5e-000000000000004';
const SLOW_MS = 400;
const ROUNDS = 10;
const found = s3Server();
if (found === null) throw new Error('S3_ENDPOINT is not set: run under test/support/s3/with-s3');
const server = found;
const parts = { hedging, flips, pull };
let wrong = 0;
for (const [name, run] of Object.entries(parts))
  if (values.only === undefined || values.only === name) wrong += await run();
console.log(wrong === 0 ? 'NOTHING WRONG' : `${wrong} FINDINGS`);
process.exit(wrong === 0 ? 0 : 1);

/** Two mounts with the same blocks, of which one is slow now and then. */
async function hedging(): Promise<number> {
  const [a, b] = [await createS3Bucket(), await createS3Bucket()];
  await using first = await startS3Proxy(server);
  await using second = await startS3Proxy(server);
  const blocks = Array.from({ length: 200 }, () => randomBlock(64 * 1024));
  for (const { hash, data } of blocks) for (const bucket of [a, b]) await bucket.put(dataKey(hash), data);
  const VOLUMES = { [S3_VOLUME]: s3Volume(first.through(a)), [OTHER_VOLUME]: s3Volume(second.through(b)) };
  const reads = Number(values.reads);
  let findings = 0;
  let serial = 0;
  const slow = () => (serial++ % 33 === 0 ? ({ stallMs: SLOW_MS, hangsUp: false } as const) : undefined);
  first.fault = ({ method }) => (method === 'GET' ? slow() : undefined);
  const vars = { ...s3Secrets(a), VOLUMES, EDGE_CACHE: 'off' };
  await using off = await startService({ vars: { ...vars, HEDGED_READS: false } });
  await using on = await startService({ vars });
  const sides = [off, on].map((service) => ({ service, times: [] as number[], requests: 0 }));
  const requests = () => first.seen.length + second.seen.length;
  // In turn, so that a busy machine slows both.
  for (let round = 0; round < ROUNDS; round++) {
    for (const side of sides) {
      const before = requests();
      const count = Math.floor(reads / ROUNDS);
      await eachOf(
        Array.from({ length: count }, (_, i) => blocks[i % blocks.length] as TestBlock),
        8,
        async (block) => {
          const started = performance.now();
          const answer = await request(`${side.service.url}/${sign(block.locator)}`);
          // The first round is to get to know the stores.
          if (round > 0) side.times.push(performance.now() - started);
          if (answer.status !== 200 || md5(answer.body) !== block.hash) findings++;
        },
      );
      side.requests += requests() - before - count;
    }
  }
  for (const [i, { times, requests: more }] of sides.entries()) {
    times.sort((x, y) => x - y);
    const at = (share: number) => (times[Math.floor(times.length * share)] ?? 0).toFixed(0);
    const extra = (more / reads) * 100;
    console.log(
      `hedging ${i === 0 ? 'off' : 'on '}: p50 ${at(0.5)} ms, p95 ${at(0.95)} ms, p99 ${at(0.99)} ms, ${extra.toFixed(1)} % more requests`,
    );
    if (extra > 5) findings++;
  }
  return findings;
}

/** Ranges of blocks whose bytes a proxy changes on their way, verification on. */
async function flips(): Promise<number> {
  const bucket = await createS3Bucket();
  await using proxy = await startS3Proxy(server);
  const VOLUMES = { [S3_VOLUME]: s3Volume(proxy.through(bucket)) };
  await using service = await startService({
    vars: { ...s3Secrets(bucket), VOLUMES, EDGE_CACHE: 'off', VERIFY_READS: 'always' },
  });
  const blocks = Array.from({ length: 6 }, (_, i) => randomBlock(2 * MIB + 300_000 * i + 1));
  const urls: string[] = [];
  for (const block of blocks) {
    await putBlock(service.url, block);
    const { uuid } = await createCollection(service, `. ${block.locator} 0:${block.data.length}:file\n`);
    urls.push(`/c=${uuid}/file`);
  }
  const authorization = `Bearer ${service.rootToken}`;
  const counts = { right: 0, refused: 0, brokenOff: 0, wrongBytes: 0, flips: 0 };
  proxy.fault = ({ method, headers, url }) => {
    const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(headers.range ?? '') ?? [];
    const isDigests = url.includes('/verify/');
    if (method !== 'GET' || Math.random() < 0.2) return undefined;
    const length = isDigests ? 200 : Number(to) - Number(from) + 1;
    if (!Number.isFinite(length)) return { flipBitAt: Math.floor(Math.random() * 2 * MIB) };
    counts.flips++;
    return { flipBitAt: Math.floor(Math.random() * length) };
  };
  while (counts.flips < Number(values.flips)) {
    await eachOf(Array.from({ length: 200 }), 8, async () => {
      const number = Math.floor(Math.random() * blocks.length);
      const { data } = blocks[number] as TestBlock;
      const offset = Math.floor(Math.random() * data.length);
      const length = Math.min(data.length - offset, 1 + Math.floor(Math.random() ** 4 * 2 * MIB));
      const range = `bytes=${offset}-${offset + length - 1}`;
      const path = urls[number] ?? '';
      const answer = await rawRequest(service.url, { path, headers: { authorization, range } });
      if (answer.status !== 206) counts.refused++;
      else if (!answer.complete) counts.brokenOff++;
      else counts.right++;
      const expected = data.subarray(offset, offset + answer.body.length);
      if (answer.status === 206 && Buffer.compare(answer.body, expected) !== 0) counts.wrongBytes++;
    });
  }
  console.log(`flips: ${JSON.stringify(counts)}`);
  return counts.wrongBytes;
}

/** Blocks of S3 that are kept in R2 as they are read, while the service is killed, and while the copy fails. */
async function pull(): Promise<number> {
  const bucket = await createS3Bucket();
  await using proxy = await startS3Proxy(server);
  const VOLUMES = {
    [S3_VOLUME]: { ...s3Volume(proxy.through(bucket)), Near: R2_VOLUME },
    [R2_VOLUME]: r2Volume('BLOCKS'),
  };
  await using service = await startService({ vars: { ...s3Secrets(bucket), VOLUMES, EDGE_CACHE: 'off' } });
  let findings = 0;
  let copied = 0;
  for (let kill = 0; kill < Number(values.kills); kill++) {
    const blocks = Array.from({ length: 4 }, () => randomBlock(6 * MIB + kill));
    for (const { hash, data } of blocks) await bucket.put(dataKey(hash), data);
    const reading = Promise.allSettled(blocks.map((block) => request(`${service.url}/${sign(block.locator)}`)));
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 2500));
    await service.kill();
    await reading;
    await service.restart();
    const result = await judge(service, blocks);
    findings += result.bad;
    copied += result.copied;
  }
  console.log(`pull-through, killed ${values.kills} times: ${copied} copies were complete, ${findings} bad`);
  findings += await withFailingCopies(proxy);
  return findings;
}

/** A copy is right or absent, and a reader gets the block either way. */
async function judge(service: TestService, blocks: TestBlock[]): Promise<{ bad: number; copied: number }> {
  let [bad, copied] = [0, 0];
  for (const block of blocks) {
    const copy = await service.r2('BLOCKS').get(dataKey(block.hash));
    if (copy !== null && md5(copy) !== block.hash) bad++;
    if (copy !== null) copied++;
    const answer = await request(`${service.url}/${sign(block.locator)}`);
    if (answer.status !== 200 || md5(answer.body) !== block.hash) bad++;
  }
  return { bad, copied };
}

/** The near bucket hangs, refuses, or breaks off: no reader may notice. */
async function withFailingCopies(remote: S3Proxy): Promise<number> {
  const [a, b] = [await createS3Bucket(), await createS3Bucket()];
  await using near = await startS3Proxy(server);
  const VOLUMES = {
    [S3_VOLUME]: { ...s3Volume(remote.through(a)), Near: OTHER_VOLUME },
    [OTHER_VOLUME]: s3Volume(near.through(b)),
  };
  await using service = await startService({ vars: { ...s3Secrets(a), VOLUMES, EDGE_CACHE: 'off' } });
  let findings = 0;
  const faults = [{ hangUp: true }, { status: 500 }, { stallMs: 20_000, hangsUp: true }, { status: 503 }] as const;
  for (const fault of faults) {
    near.fault = ({ method, url }) => (method === 'PUT' && !url.includes('/recent/') ? fault : undefined);
    const blocks = Array.from({ length: 5 }, (_, i) => randomBlock(i * MIB + 1000));
    for (const { hash, data } of blocks) await a.put(dataKey(hash), data);
    for (const block of blocks) {
      const answer = await request(`${service.url}/${sign(block.locator)}`);
      if (answer.status !== 200 || md5(answer.body) !== block.hash) findings++;
      const copy = await b.get(dataKey(block.hash));
      if (copy !== null && md5(copy.data) !== block.hash) findings++;
    }
  }
  console.log(`pull-through into a bucket that fails: ${findings} readers noticed, or bad copies`);
  return findings;
}
