import { deepStrictEqual, equal, ok } from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { localCertificate } from '../../dev/certificate.ts';
import { ROOT } from '../../dev/serve.ts';
import { preparePython } from '../clients/prepare-python.ts';
import type { Random } from '../fuzz/random.ts';
import { type Cli, cliFor, treeDigest } from '../support/cli.ts';
import { killRepeatedly, makeBlockFiles } from '../support/killed-upload.ts';
import { makeOddTree } from '../support/odd-tree.ts';
import { type ServiceOptions, startService, type TestService } from '../support/service.ts';
import { accepted } from '../support/upload-ledger.ts';
import { type Measured, measured } from './measured.ts';
import { makeRandomFile, makeSparseFile, makeTinyFiles } from './trees.ts';

export interface PartContext {
  /** The command line as npm installs it. */
  bundle: string;
  random: Random;
  /** 1 is the full size; less for a look at whether the program itself works. */
  scale: number;
  say(line: string): void;
}

/** One of the full-size runs. @throws when something is not as promised */
export type Part = (context: PartContext) => Promise<void>;

const MAX_PEAK_MIB = 600;
const GIB_BLOCKS = 16;
/** Left out of a checkout: caches, and what changes during work in it. */
const LEFT_OUT = ['.git', '.cache', '.vite', '.keep-edge', '.wrangler', '*.log'];
const isLeftOut = (name: string) => LEFT_OUT.includes(name) || name.endsWith('.log');

export const PARTS: Record<string, Part> = {
  checkout: (context) =>
    withService(context, {}, async (hands) => {
      const options = ['--follow-links', ...LEFT_OUT.flatMap((name) => ['--exclude', name])];
      await roundTrip(hands, ROOT, options);
    }),

  file: (context) =>
    withService(context, {}, async (hands) => {
      const source = join(hands.cli.home, 'source');
      await mkdir(source);
      await makeRandomFile(join(source, 'large'), scaled(3 * GIB_BLOCKS, context));
      await roundTrip(hands, source);
    }),

  tiny: (context) =>
    withService(context, {}, async (hands) => {
      const source = join(hands.cli.home, 'source');
      await makeTinyFiles(source, scaled(100_000, context));
      await roundTrip(hands, source);
    }),

  names: (context) =>
    withService(context, {}, async (hands) => {
      const source = join(hands.cli.home, 'source');
      await makeOddTree(source);
      await roundTrip(hands, source);
    }),

  /** Holes are all one block; with some bytes in each (of a smaller file), every block goes over the wire. */
  sparse: async (context) => {
    for (const distinct of [false, true]) {
      await withService(context, {}, async ({ service, cli, say }) => {
        const blocks = scaled((distinct ? 5 : 20) * GIB_BLOCKS, context);
        const source = join(cli.home, 'sparse');
        await makeSparseFile(source, blocks, { distinct });
        const put = await measured(cli, ...cli.command, 'put', source, '--json');
        const { blocks_sent, bytes } = JSON.parse(put.stdout);
        equal(blocks_sent, distinct ? blocks : 1);
        equal(accepted(service).size, distinct ? blocks : 1);
        say(`${gib(bytes)} sparse, ${blocks_sent} blocks sent: ${described(put)}`);
        ok(put.peakMib < MAX_PEAK_MIB, `${put.peakMib} MiB of memory`);
      });
    }
  },

  kills: (context) =>
    withService(context, {}, async ({ service, cli, say }) => {
      const source = join(cli.home, 'source');
      const blocks = scaled(150, context);
      await makeBlockFiles(source, blocks);
      const put = ['put', `${source}/`, '--name', 'killed'];
      const { ledger, early } = await killRepeatedly({
        service,
        cli,
        put,
        kills: scaled(50, context),
        random: () => context.random.below(2 ** 32) / 2 ** 32,
        onKill: (number, known) => {
          if (number % 10 === 0) say(`${number} kills, ${known} of ${blocks + 1} blocks acknowledged`);
        },
      });
      const result = JSON.parse(await cli.ok(...put, '--json'));
      await ledger.look();
      deepStrictEqual(ledger.sentAgain, []);
      const twice = [...accepted(service).values()].filter((count) => count > 1).length;
      const fresh = await cli.ok('put', `${source}/`, '--no-resume', '--reference', result.uuid, '--json');
      equal(JSON.parse(fresh).blocks_sent, 0);
      equal(JSON.parse(fresh).portable_data_hash, result.portable_data_hash);
      await cli.ok('get', '--verify', result.uuid, source);
      say(`no acknowledged block sent again; ${twice} accepted twice, as their acknowledgement was lost; right hash`);
      ok(early <= scaled(50, context) / 5, `${early} runs were over before their kill: there is too little to send`);
    }),

  /** arv-put and arv-get on the same service and the same tree. */
  arvados: async (context) => {
    const certificate = await localCertificate(join(ROOT, '.cache'));
    // The certificate is self-signed.
    process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0';
    await withService(context, { tls: certificate }, async ({ service, cli, say }) => {
      const venv = join(ROOT, '.cache/arvados-sdk');
      await preparePython(venv, join(ROOT, 'test/clients/requirements.txt'));
      Object.assign(cli.env, {
        PATH: `${join(venv, 'bin')}:${cli.env.PATH}`,
        LANG: 'C.UTF-8',
        ARVADOS_API_HOST: new URL(service.url).host,
        ARVADOS_API_HOST_INSECURE: '1',
      });
      const source = join(cli.home, 'source');
      await makeOddTree(join(source, 'odd'));
      await makeTinyFiles(join(source, 'tiny'), scaled(20_000, context));
      await makeRandomFile(join(source, 'large'), scaled(GIB_BLOCKS, context));
      await writeFile(join(source, 'empty'), '');
      const theirs = await measured(cli, 'arv-put', '--no-progress', '--no-resume', `${source}/`);
      const ours = await measured(cli, ...cli.command, 'put', `${source}/`);
      say(`put: arv-put ${described(theirs)}; keep-edge ${described(ours)}`);
      deepStrictEqual(await listing(cli, ours.stdout), await listing(cli, theirs.stdout));

      const expected = filesOf(treeDigest(source));
      const [one, other] = [join(cli.home, 'by arv-get'), join(cli.home, 'by keep-edge')];
      await mkdir(one);
      const arvGet = await measured(cli, 'arv-get', '--no-progress', `${ours.stdout}/`, `${one}/`);
      deepStrictEqual(filesOf(treeDigest(one)), expected);
      const get = await measured(cli, ...cli.command, 'get', theirs.stdout, other);
      deepStrictEqual(filesOf(treeDigest(other)), expected);
      say(`get: arv-get of ours ${described(arvGet)}; keep-edge of theirs ${described(get)}`);
    }).finally(() => {
      delete process.env.NODE_TLS_REJECT_UNAUTHORIZED;
    });
  },
};

interface Hands {
  service: TestService;
  cli: Cli;
  say(line: string): void;
}

async function withService(
  { bundle, say }: PartContext,
  options: ServiceOptions,
  work: (hands: Hands) => Promise<void>,
): Promise<void> {
  await using service = await startService(options);
  await using cli = await cliFor(service, 'large', { entry: bundle });
  await work({ service, cli, say });
}

/** Puts a tree, puts it again, gets it, and compares every byte. */
async function roundTrip({ cli, say }: Hands, source: string, options: readonly string[] = []): Promise<void> {
  const put = await measured(cli, ...cli.command, 'put', `${source}/`, '--json', ...options);
  const { uuid, files, bytes, blocks_sent, portable_data_hash } = JSON.parse(put.stdout);
  say(`put ${files} files, ${gib(bytes)}, ${blocks_sent} blocks: ${described(put)}`);
  const again = JSON.parse(await cli.ok('put', `${source}/`, '--json', ...options));
  equal(again.blocks_sent, 0);
  equal(again.portable_data_hash, portable_data_hash);
  const target = join(cli.home, 'target');
  const get = await measured(cli, ...cli.command, 'get', uuid, target);
  say(`get: ${described(get)}`);
  deepStrictEqual(treeDigest(target), treeDigest(source, { followLinks: true, isLeftOut }));
  await cli.ok('get', '--verify', uuid, target);
  ok(Math.max(put.peakMib, get.peakMib) < MAX_PEAK_MIB, `${put.peakMib} and ${get.peakMib} MiB of memory`);
}

/** Sizes by path. */
async function listing(cli: Cli, uuid: string): Promise<Record<string, number>> {
  const lines = (await cli.ok('ls', '--json', uuid)).split('\n').map((line) => JSON.parse(line));
  return Object.fromEntries(lines.filter(({ size }) => size !== undefined).map(({ path, size }) => [path, size]));
}

/** arv-put does not keep empty directories. */
function filesOf(tree: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(tree).filter(([, what]) => what !== 'directory'));
}

function scaled(count: number, { scale }: PartContext): number {
  return Math.max(2, Math.round(count * scale));
}

function gib(bytes: number): string {
  return `${(bytes / 2 ** 30).toFixed(2)} GiB`;
}

function described({ seconds, cpuSeconds, peakMib }: Measured): string {
  return `${seconds.toFixed(1)} s (${cpuSeconds.toFixed(1)} s processor), at most ${Math.round(peakMib)} MiB`;
}
