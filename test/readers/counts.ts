import { execFile } from 'node:child_process';
import { cpSync, globSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { BamFile } from '@gmod/bam';
import { createFirstAdmin } from '../../dev/first-start.ts';
import { ROOT, type Service, serve } from '../../dev/serve.ts';
import { preparePython } from '../clients/prepare-python.ts';

/**
 * `npm run test:read-counts`: what readers of scientific files cost in requests. Each runs against each set-up, in a service that knows
 * nothing yet; printed are its requests, the store's reads, and the bytes that it was asked for (a reader may leave before it has got them all).
 */
const VENV = join(ROOT, '.cache/readers');
const REGIONS = 1000;
const LENGTH = 20_000_000;
const SETS: Record<string, Record<string, string>> = {
  'attested, no cache': { EDGE_CACHE: 'off' },
  attested: {},
  'ranges verified': { VERIFY_READS: 'ranges' },
};
const SECRETS = {
  SYSTEM_ROOT_TOKEN: 'r'.repeat(40),
  MANAGEMENT_TOKEN: 'm'.repeat(40),
  BLOB_SIGNING_KEY: 's'.repeat(40),
};

const python = await preparePython(VENV, join(import.meta.dirname, 'requirements.txt'));
const work = mkdtempSync(join(tmpdir(), 'keep-edge-counts-'));
const data = join(work, 'data');
const home = join(work, 'home');
const state = join(work, 'state');
for (const directory of [data, home]) mkdirSync(directory);
const environment: Record<string, string> = {
  PATH: `${join(VENV, 'bin')}:${process.env.PATH ?? ''}`,
  HOME: home,
  LANG: 'C.UTF-8',
};

type Reader = (base: string, byId: string, token: string) => Promise<string>;
const READERS: Record<string, Reader> = {
  'samtools view, 1,000 regions': async (base, _, token) => {
    const bed = Array.from({ length: REGIONS }, (_, i) => `chr1\t${i * 19_500}\t${i * 19_500 + 2000}`).join('\n');
    writeFileSync(join(work, 'regions.bed'), bed);
    const link = `${base}/t=${token}`;
    return command('samtools', ['view', '-c', '-M', '-L', join(work, 'regions.bed'), `${link}/reads.bam`], work);
  },
  'pysam, 1,000 regions one by one': (base, _, token) =>
    script(`import pysam
b = pysam.AlignmentFile('${base}/t=${token}/reads.bam')
print(sum(b.count('chr1', i * 19500, i * 19500 + 2000) for i in range(${REGIONS})))`),
  '@gmod/bam (igv.js, JBrowse), 200 screens': async (base, _, token) => {
    const link = `${base}/t=${token}`;
    const bam = new BamFile({ bamUrl: `${link}/reads.bam`, baiUrl: `${link}/reads.bam.bai` });
    await bam.getHeader();
    let records = 0;
    for (let i = 0; i < 200; i++) {
      const start = (i * LENGTH) / 250;
      records += (await bam.getRecordsForRange('chr1', start, start + 20_000)).length;
    }
    return String(records);
  },
  'DuckDB, one column of a parquet file': (_, byId, token) =>
    script(`import duckdb
db = duckdb.connect()
db.execute('INSTALL httpfs; LOAD httpfs')
db.execute("CREATE SECRET keep (TYPE http, BEARER_TOKEN '${token}', SCOPE '${new URL(byId).origin}')")
print(db.sql("SELECT count(*) FROM '${byId}/samples.parquet' WHERE t > 0.5").fetchall())`),
  'zarr, 1,024 chunks': (base, _, token) =>
    script(`import zarr
g = zarr.open_group('${base}/image.zarr', mode='r', storage_options={'headers': {'Authorization': 'Bearer ${token}'}})
print(g['pixels'][:].sum())`),
};

const firstRun = await start({});
await command(python, [join(import.meta.dirname, 'make_large_data.py'), data], work);
const { token = '' } = (await createFirstAdmin(state, firstRun.api)) as { token?: string };
const cli = join(ROOT, 'src/cli/keep-edge.ts');
environment.ARVADOS_API_HOST = firstRun.url;
environment.ARVADOS_API_TOKEN = token;
const uuid = (await command(process.execPath, [cli, 'put', '--name', 'counts', `${data}/`], work)).trim();
await firstRun.stop();
await duckdbExtension();
try {
  for (const [name, vars] of Object.entries(SETS)) {
    for (const [reader, run] of Object.entries(READERS)) {
      // A new service on a copy: nothing is known, and the cache is empty.
      const place = mkdtempSync(join(work, 'run-'));
      cpSync(state, place, { recursive: true });
      const service = await start(vars, place);
      const before = await figures(service);
      const started = performance.now();
      const said = await run(`${service.url}/c=${uuid}`, `${service.url}/by_id/${uuid}`, token).catch(
        (error: Error) => `FAILED ${error.message.slice(0, 300)}`,
      );
      const after = await figures(service);
      const of = (what: keyof typeof after) => after[what] - before[what];
      const line = `${of('requests')} requests, ${of('reads')} store reads, ${(of('bytes') / 2 ** 20).toFixed(1)} MiB asked for, ${((performance.now() - started) / 1000).toFixed(1)} s`;
      console.log(`${name}: ${reader}: ${line} (${said.trim().slice(-200)})`);
      await service.stop();
      rmSync(place, { recursive: true });
    }
  }
} finally {
  rmSync(work, { recursive: true, force: true });
}
process.exit(0);

function start(vars: Record<string, string>, place = state): Promise<Service> {
  return serve({ port: 0, state: place, devVars: false, vars: { ...SECRETS, ...vars }, onLog: () => {} });
}

async function figures({ url }: Service) {
  const answer = await fetch(`${url}/metrics`, { headers: { Authorization: `Bearer ${SECRETS.MANAGEMENT_TOKEN}` } });
  const text = await answer.text();
  const sum = (pattern: RegExp) => [...text.matchAll(pattern)].reduce((total, [, value]) => total + Number(value), 0);
  return {
    reads: sum(/^arvados_keepstore_volume_operations\{[^}]*operation="get"[^}]*\} (\d+)/gm),
    bytes: sum(/^arvados_keepstore_volume_io_bytes\{[^}]*direction="in"[^}]*\} (\d+)/gm),
    requests: sum(/^request_duration_seconds_count\{[^}]*\} (\d+)/gm),
  };
}

function script(code: string): Promise<string> {
  return command(python, ['-c', code], work);
}

async function duckdbExtension(): Promise<void> {
  const [extensions] = globSync(`${VENV}/lib/python*/site-packages/duckdb_extension_httpfs/extensions`);
  for (const file of globSync(`${extensions}/**/*.duckdb_extension`)) {
    const [version = ''] = relative(extensions ?? '', file).split('/');
    const platform = await script('import duckdb; print(duckdb.sql("PRAGMA platform").fetchone()[0])');
    cpSync(file, join(home, '.duckdb/extensions', version, platform.trim(), 'httpfs.duckdb_extension'));
  }
}

/** @throws Error with all that the program said */
function command(program: string, args: string[], cwd: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { cwd, env: environment, timeout: 300_000, maxBuffer: 64 * 1024 * 1024 };
    execFile(program, args, options, (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else reject(new Error(`${program}: ${stdout}${stderr}`));
    });
  });
}
