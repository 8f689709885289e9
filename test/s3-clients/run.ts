import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  copyFileSync,
  createWriteStream,
  globSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { localCertificate } from '../../dev/certificate.ts';
import { createFirstAdmin } from '../../dev/first-start.ts';
import { ROOT, type Service, serve } from '../../dev/serve.ts';
import { prepareNode } from '../clients/prepare-node.ts';
import { preparePython } from '../clients/prepare-python.ts';
import { snippetsOf } from '../readers/snippets.ts';

/**
 * `npm run test:s3-clients`: the S3 clients that people use, against a service of its own, over http and over https
 * (many encode bodies in another way there). Bytes are compared after each step. Arguments go to Python's unittest
 * (a file, `-k name`).
 */
const HERE = import.meta.dirname;
const VENV = join(ROOT, '.cache/s3-clients');
const S3FS = join(ROOT, '.cache/s3-clients-s3fs');
const NODE_CLIENTS = join(ROOT, '.cache/s3-clients-node');

const python = await preparePython(VENV, join(HERE, 'requirements.txt'));
const s3fsPython = await preparePython(S3FS, join(HERE, 'requirements-s3fs.txt'));
prepareNode(NODE_CLIENTS, HERE);
let failed = false;
for (const scheme of ['http', 'https'] as const) failed = !(await tryOver(scheme)) || failed;
console.log(failed ? 'S3 clients FAILED' : 'every S3 client works');
process.exit(failed ? 1 : 0);

async function tryOver(scheme: 'http' | 'https'): Promise<boolean> {
  const work = mkdtempSync(join(tmpdir(), 'keep-edge-s3-'));
  const state = join(work, 'state');
  const home = join(work, 'home');
  for (const directory of [state, home]) mkdirSync(directory);
  const log = createWriteStream(join(work, 'service.log'));
  // Certificates of localhost are not good for names below it.
  const port = scheme === 'http' ? await freePort() : 0;
  const service = await serve({
    port,
    state,
    devVars: false,
    vars: {
      SYSTEM_ROOT_TOKEN: 'r'.repeat(40),
      BLOB_SIGNING_KEY: 's'.repeat(40),
      MANAGEMENT_TOKEN: 'm'.repeat(40),
      ...(port === 0 ? {} : { S3_ENDPOINT: virtualEndpoint(port) }),
    },
    ...(scheme === 'https' ? { tls: await localCertificate(state) } : {}),
    onLog: (line) => log.write(`${line}\n`),
  });
  await prepareDuckDb(home);
  console.log(`S3 clients over ${scheme}`);
  const virtual = port === 0 ? '' : virtualEndpoint(port);
  const env = { ...(await environment(service, { work, home, state, scheme })), S3_VIRTUAL_ENDPOINT: virtual };
  const code = (await unittest(env)) + (scheme === 'http' && process.argv.length === 2 ? runSnippets(env, work) : 0);
  await service.stop();
  if (code === 0) rmSync(work, { recursive: true });
  else console.log(`The service's log is ${join(work, 'service.log')}`);
  return code === 0;
}

/** Of which buckets are subdomains; the tests resolve them. */
function virtualEndpoint(port: number): string {
  return `http://s3.localhost:${port}`;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

interface Place {
  work: string;
  home: string;
  state: string;
  scheme: 'http' | 'https';
}

/** What clients read of their environment: nothing but keys and the endpoint. */
async function environment(service: Service, { work, home, state, scheme }: Place): Promise<Record<string, string>> {
  await createFirstAdmin(state, service.api);
  const user = (await service.api('users', { user: { username: 'client', first_name: 'Client' } })) as { uuid: string };
  const made = (await service.api('api_client_authorizations', {
    api_client_authorization: { owner_uuid: user.uuid },
  })) as { uuid: string; api_token: string };
  const settings = {
    PATH: `${join(VENV, 'bin')}:${process.env.PATH ?? ''}`,
    HOME: home,
    TMPDIR: work,
    LANG: 'C.UTF-8',
    PYTHONDONTWRITEBYTECODE: '1',
    ARVADOS_API_HOST: service.url,
    ARVADOS_API_TOKEN: `v2/${made.uuid}/${made.api_token}`,
    ARVADOS_API_HOST_INSECURE: '1',
  };
  const cli = join(ROOT, 'src/cli/keep-edge.ts');
  const asked = spawnSync(process.execPath, [cli, 's3-key'], { env: settings, encoding: 'utf8' });
  if (asked.status !== 0) throw new Error(asked.stderr);
  const keys = [...asked.stdout.matchAll(/(AWS_\w+)=(\S+)/g)].map(([, name, value]) => [name, value]);
  const certificate = scheme === 'https' ? join(state, 'https-cert.pem') : '';
  return {
    ...settings,
    ...Object.fromEntries(keys),
    AWS_EC2_METADATA_DISABLED: 'true',
    S3_CERTIFICATE: certificate,
    S3FS_PYTHON: s3fsPython,
    NODE: process.execPath,
    NODE_CLIENTS,
    ...(certificate === '' ? {} : { AWS_CA_BUNDLE: certificate, NODE_EXTRA_CA_CERTS: certificate }),
  };
}

async function unittest(env: Record<string, string>): Promise<number> {
  const parameters = process.argv.length > 2 ? process.argv.slice(2) : ['-v'];
  const child = spawn(python, ['-m', 'unittest', ...parameters], { cwd: HERE, stdio: 'inherit', env });
  const [exit] = (await once(child, 'exit')) as [number | null];
  return exit ?? 1;
}

/** The snippets of docs/s3.md, in their order: later ones read what earlier ones wrote. @returns how many failed */
function runSnippets(env: Record<string, string>, work: string): number {
  // The page says `npx keep-edge`.
  const cli = join(ROOT, 'src/cli/keep-edge.ts');
  writeFileSync(join(work, 'npx'), `#!/bin/sh\nshift\nexec '${process.execPath}' '${cli}' "$@"\n`, { mode: 0o755 });
  const snippets = snippetsOf(readFileSync(join(ROOT, 'docs/s3.md'), 'utf8'));
  const failed = snippets.filter(({ heading, language, code, prints }) => {
    const [program, flag] = language === 'python' ? [python, '-c'] : ['bash', '-euc'];
    const options = { cwd: work, env: { ...env, PATH: `${work}:${env.PATH}` }, encoding: 'utf8' as const };
    const { status, stdout, stderr } = spawnSync(program, [flag, code], options);
    const works = status === 0 && stdout.includes(prints);
    console.log(`docs/s3.md ${heading} ... ${works ? 'ok' : `FAILED (${status})\n${stdout}\n${stderr}`}`);
    return !works;
  });
  return failed.length;
}

/** DuckDB's extension, from PyPI, where DuckDB looks for it. */
async function prepareDuckDb(home: string): Promise<void> {
  const ask = 'import duckdb; print(duckdb.__version__, duckdb.sql("PRAGMA platform").fetchone()[0])';
  const told = spawnSync(python, ['-c', ask], { encoding: 'utf8' }).stdout.trim();
  const [version, platform = ''] = told.split(' ');
  const [file] = globSync(`${VENV}/lib/python*/site-packages/duckdb_extension_httpfs/extensions/**/*.duckdb_extension`);
  if (file === undefined) throw new Error('duckdb_extension_httpfs holds no extension');
  const directory = join(home, '.duckdb/extensions', `v${version}`, platform);
  mkdirSync(directory, { recursive: true });
  copyFileSync(file, join(directory, 'httpfs.duckdb_extension'));
}
