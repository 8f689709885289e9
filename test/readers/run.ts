import { execFile } from 'node:child_process';
import { cpSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { createFirstAdmin } from '../../dev/first-start.ts';
import { ROOT, serve } from '../../dev/serve.ts';
import { preparePython } from '../clients/prepare-python.ts';
import { type Snippet, snippetsOf } from './snippets.ts';

/**
 * `npm run test:tools`: runs the snippets of docs/tools.md and docs/genomics.md, and the commands of docs/operate.md against a service of its
 * own, the former with a token that may read one collection. A snippet whose program is not installed is skipped with a message; arguments choose headings.
 */
const VENV = join(ROOT, '.cache/readers');
/** Too large to install for a test. */
const OPTIONAL = ['Rscript', 'gdalinfo'];

const SECRETS = { SYSTEM_ROOT_TOKEN: 'r'.repeat(40), MANAGEMENT_TOKEN: 'm'.repeat(40) };

const python = await preparePython(VENV, join(import.meta.dirname, 'requirements.txt'));
const work = mkdtempSync(join(tmpdir(), 'keep-edge-tools-'));
const home = join(work, 'home');
const data = join(work, 'data');
for (const directory of [home, data]) mkdirSync(directory);
// The pages say `npx keep-edge` and `npx wrangler`. The databases of the latter are this run's own.
const cli = join(ROOT, 'src/cli/keep-edge.ts');
const NPX = `#!/bin/sh
program=$1; shift
case "$program $1" in
  'wrangler d1') cd '${ROOT}' && exec node_modules/.bin/wrangler "$@" --persist-to '${work}/wrangler' ;;
  'wrangler '*) cd '${ROOT}' && exec node_modules/.bin/wrangler "$@" ;;
esac
exec '${process.execPath}' '${cli}' "$@"
`;
writeFileSync(join(home, 'npx'), NPX, { mode: 0o755 });
const service = await serve({
  port: 0,
  state: join(work, 'state'),
  devVars: false,
  vars: { ...SECRETS, BLOB_SIGNING_KEY: 's'.repeat(40) },
  onLog: () => {},
});
const environment: Record<string, string> = {
  PATH: `${home}:${join(VENV, 'bin')}:${process.env.PATH ?? ''}`,
  HOME: home,
  TMPDIR: work,
  LANG: 'C.UTF-8',
  CI: 'true',
  WRANGLER_SEND_METRICS: 'false',
  PYTHONDONTWRITEBYTECODE: '1',
};
let failed = 0;
let tried = 0;
try {
  await prepare();
  for (const page of ['docs/tools.md', 'docs/genomics.md', 'docs/operate.md']) {
    for (const snippet of snippetsOf(readFileSync(join(ROOT, page), 'utf8'))) {
      const isAsked = process.argv.slice(2).some((part) => snippet.heading.includes(part));
      if (process.argv.length === 2 || isAsked) await run(snippet);
    }
  }
} finally {
  await service.stop();
  rmSync(work, { recursive: true, force: true });
}
console.log(failed === 0 ? `every snippet of ${tried} that could be run works` : `${failed} snippets FAILED`);
process.exit(failed === 0 && tried > 0 ? 0 : 1);

/**
 * Files of every format in a collection, a token for it alone, a block that no collection names, and DuckDB's extension
 * where DuckDB looks for it.
 */
async function prepare(): Promise<void> {
  await command(python, [join(import.meta.dirname, 'make_data.py'), data], {});
  const { token: owner } = await createFirstAdmin(join(work, 'state'), service.api);
  const settings = { ARVADOS_API_HOST: service.url, ARVADOS_API_TOKEN: owner ?? '' };
  const put = [cli, 'put', '--name', 'readers', `${data}/`];
  const uuid = (await command(process.execPath, put, settings)).trim();
  const scopes = [`GET /arvados/v1/collections/${uuid}`, `GET /arvados/v1/collections/${uuid}/`];
  const answer = await fetch(`${service.url}/arvados/v1/api_client_authorizations`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${owner}`, 'Content-Type': 'application/json' },
    body: JSON.stringify({ api_client_authorization: { scopes } }),
  });
  const made = (await answer.json()) as { uuid: string; api_token: string };
  const token = `v2/${made.uuid}/${made.api_token}`;
  Object.assign(environment, {
    ...SECRETS,
    DATA: data,
    KEEP: service.url,
    UUID: uuid,
    TOKEN: token,
    LINK: `${service.url}/c=${uuid}/t=${token}`,
    TOKEN_OF_OWNER: owner ?? '',
  });
  await fetch(`${service.url}/acbd18db4cc2f85cedef654fccc4a4d8`, {
    method: 'PUT',
    headers: { Authorization: `Bearer ${SECRETS.SYSTEM_ROOT_TOKEN}` },
    body: 'foo',
  });
  const [extensions] = globSync(`${VENV}/lib/python*/site-packages/duckdb_extension_httpfs/extensions`);
  for (const file of globSync(`${extensions}/**/*.duckdb_extension`)) {
    const [version = ''] = relative(extensions ?? '', file).split('/');
    const ask = 'import duckdb; print(duckdb.sql("PRAGMA platform").fetchone()[0])';
    const platform = await command(python, ['-c', ask], {});
    cpSync(file, join(home, '.duckdb/extensions', version, platform.trim(), 'httpfs.duckdb_extension'));
  }
}

async function run({ heading, language, program, prints, code }: Snippet): Promise<void> {
  tried++;
  const name = `${heading}: ${program}`;
  if (program !== 'python' && (await execute('sh', ['-c', `command -v ${program}`])).status !== 0) {
    const isMissed = process.env.CI === 'true' && !OPTIONAL.includes(program);
    if (isMissed) failed++;
    console.log(`${isMissed ? 'FAILED' : 'skipped'}  ${name} is not installed`);
    return;
  }
  const place = mkdtempSync(join(work, 'run-'));
  const interpreter = { python, r: 'Rscript' }[language] ?? 'bash';
  const file = join(place, 'snippet');
  writeFileSync(file, language === 'sh' ? `set -eo pipefail\n${code}` : code);
  const { status, stdout, stderr } = await execute(interpreter, [file], { cwd: place });
  const isGood = status === 0 && stdout.includes(prints);
  if (!isGood) failed++;
  console.log(`${isGood ? 'works' : 'FAILED'}  ${name}`);
  if (!isGood) console.log(`  wanted: ${prints}\n  got (${status}): ${stdout.slice(-2000)}${stderr.slice(-4000)}`);
}

/** @throws Error with all that the program said */
async function command(program: string, args: string[], more: Record<string, string>): Promise<string> {
  const { status, stdout, stderr } = await execute(program, args, { env: { ...environment, ...more } });
  if (status !== 0) throw new Error(`${program} ${args.join(' ')}: ${stdout}${stderr}`);
  return stdout;
}

/** Runs a program while this process goes on: the service's log passes through it, and a full pipe would stop the service. */
function execute(program: string, args: string[], options: { cwd?: string; env?: Record<string, string> } = {}) {
  return new Promise<{ status: unknown; stdout: string; stderr: string }>((resolve) => {
    const limits = { timeout: 120_000, maxBuffer: 64 * 1024 * 1024 };
    execFile(program, args, { env: environment, ...options, ...limits }, (error, stdout, stderr) => {
      resolve({ status: error === null ? 0 : (error.code ?? error.signal), stdout, stderr });
    });
  });
}
