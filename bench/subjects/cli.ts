import { spawn } from 'node:child_process';
import { randomFillSync } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { localCertificate } from '../../dev/certificate.ts';
import { ROOT } from '../../dev/serve.ts';
import { preparePython } from '../../test/clients/prepare-python.ts';
import { createUser } from '../../test/support/api.ts';
import { BLOCK_BYTES } from '../../test/support/keep.ts';
import { startService } from '../../test/support/service.ts';
import type { BenchContext, Subject } from '../context.ts';
import { cpuSeconds, median } from '../measure.ts';
import type { Row } from '../report.ts';

const SMALL_FILES = 10_000;
const SMALL_BYTES = 4096;
const LARGE_BYTES = 32 * BLOCK_BYTES;
const MAX_ROUNDS = 3;
/** A file system in memory, if there is one: to compare the commands, not the disk. */
const MEMORY = '/dev/shm';

/** Runs a command and prints the seconds it took, those of processor time, and its output, as JSON. */
const STOPWATCH = `import json, resource, subprocess, sys, time
started = time.monotonic()
out = subprocess.run(sys.argv[1:], check=True, stdout=subprocess.PIPE, text=True).stdout
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps({"wall": time.monotonic() - started, "cpu": used.ru_utime + used.ru_stime, "out": out.strip()}))`;

interface Run {
  wall: number;
  cpu: number;
  out: string;
  /** Processor seconds of the service meanwhile: it limits every client. */
  service: number;
}

/** keep-edge put and get, compared with arv-put and arv-get on the same service and the same files. */
export const cli: Subject = {
  name: 'cli',
  async run(context) {
    const work = await mkdtemp(join(existsSync(MEMORY) ? MEMORY : tmpdir(), 'keep-edge-bench-'));
    const venv = join(ROOT, '.cache/arvados-sdk');
    const python = await preparePython(venv, join(ROOT, 'test/clients/requirements.txt'));
    const bundle = spawn(process.execPath, [join(ROOT, 'dev/build-cli.ts'), work], { stdio: 'inherit' });
    await once(bundle, 'exit');
    await using service = await startService({ tls: await localCertificate(work) });
    // The certificate is self-signed.
    process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0';
    const { token } = await createUser(service, 'bench');
    const env = {
      PATH: `${join(venv, 'bin')}:${process.env.PATH ?? ''}`,
      HOME: work,
      LANG: 'C.UTF-8',
      ARVADOS_API_HOST: new URL(service.url).host,
      ARVADOS_API_TOKEN: token,
      ARVADOS_API_HOST_INSECURE: '1',
    };
    const timed = async (...command: string[]): Promise<Run> => {
      const before = cpuSeconds(service.workerdPid);
      const child = spawn(python, ['-c', STOPWATCH, ...command], { env, cwd: work, stdio: ['ignore', 'pipe', 'pipe'] });
      const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
      if (stdout === '') throw new Error(`${command.join(' ')}: ${stderr}`);
      return { ...(JSON.parse(stdout) as Omit<Run, 'service'>), service: cpuSeconds(service.workerdPid) - before };
    };
    const ours = [process.execPath, join(work, 'keep-edge.mjs')];
    try {
      const small = join(work, 'small');
      await makeSmallFiles(small);
      const rows = await compare(context, '10,000 files of 4 KiB', {
        source: `${small}/`,
        renew: () => writeFile(join(small, '0'), randomFillSync(new Uint8Array(SMALL_BYTES))),
        work,
        timed,
        ours,
      });
      const large = join(work, 'large');
      await writeFile(large, '');
      for (let block = 0; block < LARGE_BYTES / BLOCK_BYTES; block++)
        await writeFile(large, randomFillSync(new Uint8Array(BLOCK_BYTES)), { flag: 'a' });
      rows.push(
        ...(await compare(context, '2 GiB in one', {
          source: large,
          renew: () => renewBlocks(large),
          work,
          timed,
          ours,
        })),
      );
      return rows;
    } finally {
      delete process.env.NODE_TLS_REJECT_UNAUTHORIZED;
      await rm(work, { recursive: true, force: true });
    }
  },
};

interface Comparison {
  source: string;
  /** Makes every block one that the service does not have. */
  renew(): Promise<void>;
  work: string;
  timed(...command: string[]): Promise<Run>;
  ours: string[];
}

async function compare({ rounds, say }: BenchContext, what: string, sides: Comparison): Promise<Row[]> {
  const { source, renew, work, timed, ours } = sides;
  const puts: [arv: Run, edge: Run][] = [];
  const gets: [arv: Run, edge: Run][] = [];
  const target = join(work, 'target');
  const get = async (...command: string[]) => {
    const run = await timed(...command);
    await rm(target, { recursive: true, force: true });
    return run;
  };
  for (let round = 0; round < Math.min(rounds, MAX_ROUNDS); round++) {
    say(`${what}, round ${round + 1}`);
    await renew();
    const arvPut = await timed('arv-put', '--no-progress', '--no-resume', source);
    await renew();
    const edgePut = await timed(...ours, 'put', '--quiet', '--no-resume', source);
    puts.push([arvPut, edgePut]);
    await mkdir(target);
    const arvGet = await get('arv-get', '--no-progress', `${edgePut.out}/`, `${target}/`);
    gets.push([arvGet, await get(...ours, 'get', '--quiet', edgePut.out, target)]);
  }
  return [
    row(`put ${what} / arv-put`, puts, 'wall'),
    row(`put ${what} / arv-put, processor`, puts, 'cpu'),
    {
      what: `put ${what} / the service's own processor time`,
      edge: median(puts.map(([, { wall }]) => wall)),
      floor: median(puts.map(([, { service }]) => service)),
      unit: 's',
      ratio: median(puts.map(([, { wall, service }]) => wall / service)),
    },
    row(`get ${what} / arv-get`, gets, 'wall'),
    row(`get ${what} / arv-get, processor`, gets, 'cpu'),
  ];
}

function row(what: string, pairs: [arv: Run, edge: Run][], key: 'wall' | 'cpu'): Row {
  return {
    what,
    edge: median(pairs.map(([, edge]) => edge[key])),
    floor: median(pairs.map(([arv]) => arv[key])),
    unit: key === 'wall' ? 's' : 's CPU',
    ratio: median(pairs.map(([arv, edge]) => edge[key] / arv[key])),
    target: { atMost: 0.5 },
  };
}

async function makeSmallFiles(directory: string): Promise<void> {
  await mkdir(directory);
  for (let number = 0; number < SMALL_FILES; number++)
    await writeFile(join(directory, String(number)), randomFillSync(new Uint8Array(SMALL_BYTES)));
}

/** A few bytes of each block. */
async function renewBlocks(file: string): Promise<void> {
  const handle = await open(file, 'r+');
  for (let at = 0; at < LARGE_BYTES; at += BLOCK_BYTES)
    await handle.write(randomFillSync(new Uint8Array(16)), 0, 16, at);
  await handle.close();
}
