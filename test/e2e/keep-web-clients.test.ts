import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { BamFile } from '@gmod/bam';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeBam, type TestRead } from '../support/bam.ts';
import { createCollection, stored } from '../support/collections.ts';
import { BLOCK_BYTES, blockOf, md5, randomBlock, request } from '../support/keep.ts';
import { openRaw } from '../support/raw-http.ts';
import { ROOT_TOKEN, startService, type TestService } from '../support/service.ts';
import { hasTool, tool } from '../support/tools.ts';

let service: TestService;
let directory: string;

beforeAll(async () => {
  // Reads of the store are counted below.
  service = await startService({ vars: { EDGE_CACHE: 'off' } });
  directory = await mkdtemp(join(tmpdir(), 'keep-edge-clients-'));
});
afterAll(async () => {
  await service?.stop();
  await rm(directory, { recursive: true, force: true });
});

/** Reads of the store so far. */
async function storeReads(): Promise<number> {
  const { text } = await request(`${service.url}/metrics`, { token: service.managementToken });
  return Number(/^arvados_keepstore_volume_operations\{[^}]*operation="get"[^}]*\} (\d+)/m.exec(text)?.[1] ?? 0);
}

/** Requests that the service has logged for one file. */
async function logged(path: string): Promise<Record<string, unknown>[]> {
  await service.allLogged();
  return service.logs.filter((line) => typeof line === 'object').filter((line) => line.collection_file_path === path);
}

describe('a genome browser', () => {
  test('reads a region of a BAM file by its index, in ranges, with a sharing link', async () => {
    const reads: TestRead[] = Array.from({ length: 20_000 }, (_, i) => ({
      name: `read${i}`,
      start: i * 50,
      // From a digest, so that it does not compress: only in a large file does it show what is read of it.
      sequence: createHash('sha512')
        .update(`${i}`)
        .digest('hex')
        .slice(0, 100)
        .replace(/./g, (digit) => 'ACGT'[Number.parseInt(digit, 16) % 4] ?? ''),
    }));
    const { bam, bai } = makeBam({ name: 'chr1', length: 1_000_100 }, reads);
    // Cut into blocks that end anywhere.
    const cuts = [0, 0.1, 0.33, 0.7, 1].map((part) => Math.floor(part * bam.length));
    const blocks = cuts.slice(1).map((end, i) => blockOf(bam.subarray(cuts[i], end)));
    const index = blockOf(bai);
    await stored(service, ...blocks, index);
    const collection = await createCollection(
      service,
      `. ${[...blocks, index].map(({ locator }) => locator).join(' ')} 0:${bam.length}:reads.bam ${bam.length}:${bai.length}:reads.bam.bai\n`,
    );
    const base = `${service.url}/c=${collection.uuid}/t=${ROOT_TOKEN}/_`;
    const file = new BamFile({ bamUrl: `${base}/reads.bam`, baiUrl: `${base}/reads.bam.bai` });
    await file.getHeader();
    for (const [start, end] of [
      [0, 1000],
      [499_990, 500_060],
      [998_001, 1_000_100],
    ] as const) {
      const found = await file.getRecordsForRange('chr1', start, end);
      const expected = reads.filter((read) => read.start < end && read.start + 100 > start);
      expect(found.map((record) => [record.name, record.start, record.seq])).toEqual(
        expected.map(({ name, start: at, sequence }) => [name, at, sequence]),
      );
    }
    const requests = await logged('reads.bam');
    expect(requests.length).toBeGreaterThan(1);
    expect(requests.every(({ respStatusCode }) => respStatusCode === 206)).toBe(true);
    const bytes = requests.reduce((sum, { respBytes }) => sum + Number(respBytes), 0);
    expect(bytes).toBeLessThan(bam.length);
  });
});

describe('a large file', () => {
  const block = randomBlock(BLOCK_BYTES);
  const blocks = 32;
  let url: string;

  beforeAll(async () => {
    await stored(service, block);
    const locators = Array.from({ length: blocks }, () => block.locator).join(' ');
    const { uuid } = await createCollection(service, `. ${locators} 0:${blocks * BLOCK_BYTES}:big\n`);
    url = `${service.url}/c=${uuid}/big`;
  });

  test.runIf(hasTool('curl'))(
    'of 2 GiB goes on in the middle with curl -C -, and is whole',
    async () => {
      const file = join(directory, 'big');
      const args = ['-sf', '-H', `Authorization: Bearer ${ROOT_TOKEN}`, '-o', file, '-C', '-', url];
      const first = spawn('curl', ['--limit-rate', '400M', ...args]);
      await expect
        .poll(async () => (await stat(file).catch(() => ({ size: 0 }))).size, { interval: 20, timeout: 30_000 })
        .toBeGreaterThan(150 << 20);
      first.kill('SIGKILL');
      await once(first, 'close');
      const stopped = (await stat(file)).size;
      expect(stopped).toBeLessThan(blocks * BLOCK_BYTES);
      await tool('curl', args);
      expect((await stat(file)).size).toBe(blocks * BLOCK_BYTES);
      const sum = await tool('md5sum', [file]);
      const script =
        'import hashlib,sys; d=open(sys.argv[1],"rb"); h=hashlib.md5()\nb=sys.stdin.buffer.read()\nfor i in range(32): h.update(b)\nprint(h.hexdigest())';
      const expected = await tool('sh', [
        '-c',
        `head -c ${BLOCK_BYTES} "$1" | python3 -c '${script}' "$1"`,
        'sh',
        file,
      ]);
      expect(sum.slice(0, 32)).toBe(expected.trim());
      expect(md5(block.data)).toBe(
        (await tool('sh', ['-c', `head -c ${BLOCK_BYTES} "$1" | md5sum`, 'sh', file])).slice(0, 32),
      );
      const resumed = (await logged('big')).at(-1);
      expect(resumed).toMatchObject({ respStatusCode: 206, respBytes: blocks * BLOCK_BYTES - stopped });
    },
    240_000,
  );

  test('is not read on for a client that has gone', async () => {
    const before = await storeReads();
    const socket = await openRaw(service.url, {
      path: new URL(url).pathname,
      headers: { authorization: `Bearer ${ROOT_TOKEN}`, 'x-request-id': 'req-gone' },
    });
    await once(socket, 'data');
    socket.destroy();
    const line = await service.waitForLog(({ RequestID }) => RequestID === 'req-gone');
    expect(line).toMatchObject({ respStatusCode: 200, respBytes: -1 });
    // The block that was under way and the next one, of 32.
    const reads = (await storeReads()) - before;
    expect(reads).toBeGreaterThan(0);
    expect(reads).toBeLessThan(6);
    await setTimeout(300);
    expect((await storeReads()) - before).toBe(reads);
  });

  test('comes in several ranges over the borders of its blocks', async () => {
    const size = blocks * BLOCK_BYTES;
    const ranges = [
      [BLOCK_BYTES - 3, 6],
      [size - 5, 5],
      [3 * BLOCK_BYTES + 17, 1000],
    ] as const;
    const wanted = ranges.map(([offset, length]) => `${offset}-${offset + length - 1}`).join(',');
    const answer = await request(url, { headers: { range: `bytes=${wanted}` } });
    expect(answer.status).toBe(206);
    const boundary = /boundary=(\w+)/.exec(answer.headers.get('content-type') ?? '')?.[1] ?? '';
    const parts = Buffer.from(answer.body).toString('latin1').split(`--${boundary}`).slice(1, -1);
    const byte = (at: number) => block.data[at % BLOCK_BYTES] ?? 0;
    for (const [i, [offset, length]] of ranges.entries()) {
      const [head = '', ...rest] = (parts[i] ?? '').split('\r\n\r\n');
      expect(head).toContain(`Content-Range: bytes ${offset}-${offset + length - 1}/${size}`);
      const expected = Buffer.from(Array.from({ length }, (_, j) => byte(offset + j)));
      expect(Buffer.from(rest.join('\r\n\r\n'), 'latin1').subarray(0, length)).toEqual(expected);
    }
  });
});
