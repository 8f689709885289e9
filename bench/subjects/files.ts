import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { request as post } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { json } from 'node:stream/consumers';
import { localCertificate } from '../../dev/certificate.ts';
import { createCollection } from '../../test/support/collections.ts';
import { bearer, putBlock, randomBlock, request, sign, type TestBlock } from '../../test/support/keep.ts';
import { ROOT_TOKEN, startService, type TestService } from '../../test/support/service.ts';
import { startKeepPrograms } from '../arvados-server.ts';
import { requestsPerSecond, upload } from '../clients.ts';
import type { BenchContext, Subject } from '../context.ts';
import { cpuSeconds, inTurn, median } from '../measure.ts';
import type { Row } from '../report.ts';

const FILES = 1000;
const FILE_BYTES = 1024;
const CLIENTS = [4, 64];
/** Of ratios between what differs by a few hundredths of a millisecond. */
const LEAST_ROUNDS = 9;
const token = bearer(ROOT_TOKEN);

/** What is asked for, one URL for each file or block. */
interface Sample {
  perSecond: number;
  /** Processor time of the runtime and of all that it simulates. */
  cpuMs: number;
  storeReads: number;
  rowsWritten: number;
}

/** Small files, each read once: packed together as the command line packs them, and one block each. */
export const files: Subject = {
  name: 'files',
  async run(context) {
    const rows: Row[] = [];
    for (const [name, vars] of [
      ['as it is set up', {}],
      ['READ_STALENESS = 5s', { READ_STALENESS: '5s' }],
    ] as const)
      rows.push(...(await measure(context, name, vars)));
    rows.push(...(await withoutCache(context)), ...(await arvados(context)));
    return rows;
  },
};

const of = (samples: Sample[], what: keyof Sample) => median(samples.map((taken) => taken[what]));

async function measure({ rounds, say }: BenchContext, setUp: string, vars: Record<string, string>): Promise<Row[]> {
  await using edge = await startService({ vars });
  const rows: Row[] = [];
  for (const clients of CLIENTS) {
    const cold: Sample[] = [];
    const warm: Sample[] = [];
    const packed: Sample[] = [];
    const blocks: Sample[] = [];
    const coldBlocks: Sample[] = [];
    for (let round = 0; round < rounds; round++) {
      say(`${FILES} files of ${FILE_BYTES} bytes by ${clients} clients, ${setUp}, round ${round + 1}`);
      const { apart, together, signed, signedApart } = await store(edge);
      cold.push(await sample(edge, apart, clients));
      warm.push(await sample(edge, apart, clients));
      packed.push(await sample(edge, together, clients));
      coldBlocks.push(await sample(edge, signedApart, clients, false));
      blocks.push(await sample(edge, signed, clients, false));
    }
    const name = `by ${clients} clients, ${setUp}`;
    const block = of(blocks, 'cpuMs');
    for (const [kind, samples, held] of [
      ['own block, cold', cold, of(coldBlocks, 'cpuMs')],
      ['own block, warm', warm, block],
      ['packed, cold', packed, block],
    ] as const) {
      rows.push(
        { what: `files (${kind}) ${name}`, edge: of(samples, 'perSecond'), unit: '/s' },
        {
          what: `files (${kind}) / signed block, ${name}`,
          edge: of(samples, 'cpuMs'),
          floor: held,
          ratio: of(samples, 'cpuMs') / held,
          unit: 'ms CPU',
          ...(kind === 'own block, warm' ? { target: { atMost: 1.2 } } : {}),
        },
        { what: `store reads, ${kind}, ${name}`, edge: of(samples, 'storeReads'), unit: 'of 1000' },
        { what: `rows written, ${kind}, ${name}`, edge: of(samples, 'rowsWritten'), unit: 'of 1000' },
      );
    }
  }
  return rows;
}

/** Signed blocks from R2, and files, held against a bare Worker that reads the same objects. */
async function withoutCache({ rounds, say }: BenchContext): Promise<Row[]> {
  await using floor = await startService({ configFile: 'bench/floor/wrangler.toml' });
  await using edge = await startService({ vars: { EDGE_CACHE: 'off' } });
  // Here there is no cache in front of the entrypoint: what is added is the call of it.
  await using hop = await startService({ vars: { EDGE_CACHE: 'tiered' } });
  await using cached = await startService();
  const blocks = Array.from({ length: FILES }, () => randomBlock(FILE_BYTES));
  for (const block of blocks) {
    for (const { url } of [edge, hop, cached]) await putBlock(url, block);
    await upload(`${floor.url}/${block.hash}`, block.data);
  }
  const segments = blocks.map((_, i) => `${i * FILE_BYTES}:${FILE_BYTES}:f${i}`).join(' ');
  const manifest = `. ${blocks.map(({ locator }) => locator).join(' ')} ${segments}\n`;
  const { uuid } = await createCollection(cached, manifest);
  const rows: Row[] = [];
  for (const clients of CLIENTS) {
    say(`signed blocks of ${FILE_BYTES} bytes by ${clients} clients, without the edge cache`);
    const side = (service: TestService, urls: string[]) => async () =>
      (await sample(service, urls, clients, false)).cpuMs;
    const bare = (also = '') =>
      side(
        floor,
        blocks.map(({ hash }) => `${floor.url}/${hash}${also}`),
      );
    const signed = ({ url }: TestService) => blocks.map(({ locator }) => `${url}/${sign(locator)}`);
    const compare = async (
      what: string,
      sides: Parameters<typeof inTurn>[1],
      target: Pick<Row, 'target'> = {},
    ): Promise<Row> => ({
      what: `${what}, by ${clients} clients`,
      ...(await inTurn(Math.max(LEAST_ROUNDS, rounds), sides)),
      unit: 'ms CPU',
      ...target,
    });
    const block = side(edge, signed(edge));
    rows.push(
      await compare(
        'signed block without the edge cache / bare R2 get',
        { floor: bare(), edge: block },
        { target: { atMost: 1.25 } },
      ),
      await compare('signed block without the edge cache / bare R2 get and one log line', {
        floor: bare('?log'),
        edge: block,
      }),
      await compare(
        'signed block through the entrypoint of the tiered cache / without',
        { floor: block, edge: side(hop, signed(hop)) },
        { target: { atMost: 1.1 } },
      ),
      await compare('bare R2 get through an entrypoint / without', { floor: bare(), edge: bare('?hop') }),
      await compare('file by UUID / bare R2 get, one row of D1 and one log line', {
        floor: bare('?row&log'),
        edge: side(
          cached,
          blocks.map((_, i) => `${cached.url}/c=${uuid}/f${i}`),
        ),
      }),
    );
  }
  return rows;
}

/** The same files through Arvados' own keep-web and keepstore, whose API server is a service of ours. */
async function arvados({ rounds, say }: BenchContext): Promise<Row[]> {
  const work = await mkdtemp(join(tmpdir(), 'keep-edge-bench-'));
  await using api = await startService({ tls: await localCertificate(work) });
  await using programs = await startKeepPrograms(api.url);
  await rm(work, { recursive: true });
  if (programs === null) {
    say('ARVADOS_SERVER names no arvados-server: without rows of keep-web and keepstore');
    return [];
  }
  const rows: Row[] = [];
  for (const clients of CLIENTS) {
    const [cold, warm, stored] = [[], [], []] as { cpuMs: number; perSecond: number }[][];
    for (let round = 0; round < rounds; round++) {
      say(`the same through keep-web by ${clients} clients, round ${round + 1}`);
      const blocks = Array.from({ length: FILES }, () => randomBlock(FILE_BYTES));
      for (const { hash, data } of blocks) await upload(`${programs.keepstoreUrl}/${hash}`, data, token);
      const uuid = await collectionAt(api, blocks);
      const taken = async (urls: string[]) => {
        const before = programs.cpu();
        const perSecond = await requestsPerSecond(urls, { connections: clients, seconds: 0 });
        return { perSecond, cpuMs: ((programs.cpu() - before) * 1000) / urls.length };
      };
      const urls = blocks.map((_, i) => `${programs.keepWebUrl}/c=${uuid}/f${i}`);
      cold?.push(await taken(urls));
      warm?.push(await taken(urls));
      stored?.push(await taken(blocks.map(({ locator }) => `${programs.keepstoreUrl}/${sign(locator)}`)));
    }
    for (const [kind, samples = []] of [
      ['keep-web and keepstore: files (own block, cold)', cold],
      ['keep-web and keepstore: files (own block, warm)', warm],
      ['keepstore: signed block', stored],
    ] as const)
      rows.push(
        { what: `${kind} by ${clients} clients`, edge: median(samples.map(({ perSecond }) => perSecond)), unit: '/s' },
        {
          what: `${kind} by ${clients} clients, processor time`,
          edge: median(samples.map(({ cpuMs }) => cpuMs)),
          unit: 'ms CPU',
        },
      );
  }
  return rows;
}

/** A collection of files of one block each, that the service's own volume does not have. */
async function collectionAt(api: TestService, blocks: TestBlock[]): Promise<string> {
  const segments = blocks.map((_, i) => `${i * FILE_BYTES}:${FILE_BYTES}:f${i}`).join(' ');
  const manifest_text = `. ${blocks.map(({ locator }) => sign(locator)).join(' ')} ${segments}\n`;
  const headers = { ...token, 'content-type': 'application/json' };
  // The certificate is of this run alone.
  const sent = post(`${api.url}/arvados/v1/collections`, { method: 'POST', headers, rejectUnauthorized: false });
  sent.end(JSON.stringify({ collection: { manifest_text } }));
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  const made = (await json(response)) as { uuid?: string };
  if (made.uuid === undefined) throw new Error(JSON.stringify(made));
  return made.uuid;
}

/** New files, so that no cache knows them. */
async function store(edge: TestService) {
  const blocks = Array.from({ length: FILES }, () => randomBlock(FILE_BYTES));
  const all = randomBlock(FILES * FILE_BYTES);
  // Blocks that no file is made of, for signed reads of what no cache knows.
  const others = Array.from({ length: FILES }, () => randomBlock(FILE_BYTES));
  for (const block of [...blocks, ...others, all]) await putBlock(edge.url, block);
  const segments = blocks.map((_, i) => `${i * FILE_BYTES}:${FILE_BYTES}:f${i}`).join(' ');
  const apart = await createCollection(edge, `. ${blocks.map(({ locator }) => locator).join(' ')} ${segments}\n`);
  const together = await createCollection(edge, `. ${all.locator} ${segments}\n`);
  const urls = (uuid: string) => blocks.map((_, i) => `${edge.url}/c=${uuid}/f${i}`);
  return {
    apart: urls(apart.uuid),
    together: urls(together.uuid),
    signedApart: others.map(({ locator }) => `${edge.url}/${sign(locator)}`),
    signed: blocks.map(({ locator }) => `${edge.url}/${sign(locator)}`),
  };
}

async function sample(service: TestService, urls: string[], connections: number, isLogged = true): Promise<Sample> {
  const since = new Date().toISOString();
  const before = await figures(service, since);
  const cpu = cpuSeconds(service.workerdPid);
  const perSecond = await requestsPerSecond(urls, { connections, seconds: 0 });
  const cpuMs = ((cpuSeconds(service.workerdPid) - cpu) * 1000) / urls.length;
  // Downloads are logged a little later.
  let after = await figures(service, since);
  for (let tries = 0; tries < 20 && isLogged && after.rows - before.rows < urls.length; tries++) {
    await new Promise((resolve) => setTimeout(resolve, 100));
    after = await figures(service, since);
  }
  return {
    perSecond,
    cpuMs,
    storeReads: after.reads - before.reads,
    rowsWritten: after.rows - before.rows,
  };
}

/** The bare Worker has neither. @param since counts of all rows are exact up to some thousands only */
async function figures(service: TestService, since: string): Promise<{ reads: number; rows: number }> {
  const metrics = await request(`${service.url}/metrics`, { token: service.managementToken });
  if (metrics.status !== 200) return { reads: 0, rows: 0 };
  const reads = /^arvados_keepstore_volume_operations\{[^}]*operation="get"[^}]*\} (\d+)/m.exec(metrics.text)?.[1];
  const filters = encodeURIComponent(`[["event_type","=","file_download"],["created_at",">=","${since}"]]`);
  const logs = await fetch(`${service.url}/arvados/v1/logs?limit=0&count=exact&filters=${filters}`, { headers: token });
  const { items_available: rows = 0 } = (await logs.json()) as { items_available?: number };
  return { reads: Number(reads ?? 0), rows };
}
