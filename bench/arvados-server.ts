import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { MANAGEMENT_TOKEN, ROOT_TOKEN, SIGNING_KEY } from '../test/support/service.ts';
import { cpuSeconds } from './measure.ts';

/** Arvados' own keep-web and keepstore, with a directory as the volume. */
export interface KeepPrograms extends AsyncDisposable {
  keepWebUrl: string;
  keepstoreUrl: string;
  /** Processor seconds of both so far. */
  cpu(): number;
}

/** Not the collections' cluster: keep-web would ask a PostgreSQL for each request whether they have changed. That is left out. */
const CLUSTER = 'zzzzz';
const PATIENCE_MS = 20_000;

/**
 * Starts the programs of the `arvados-server` that ARVADOS_SERVER names, beside a service of ours as their API server (https, or they
 * do not find it). Null without one: the programs are not part of this repository.
 */
export async function startKeepPrograms(apiUrl: string): Promise<KeepPrograms | null> {
  const program = process.env.ARVADOS_SERVER;
  if (program === undefined || program === '') return null;
  const directory = await mkdtemp(join(tmpdir(), 'keep-programs-'));
  const volume = join(directory, 'volume');
  await mkdir(volume);
  const [keepWebUrl, keepstoreUrl] = [`http://127.0.0.1:${await freePort()}`, `http://127.0.0.1:${await freePort()}`];
  const config = join(directory, 'config.yml');
  await writeFile(config, JSON.stringify(configuration({ apiUrl, keepWebUrl, keepstoreUrl, volume })));
  const env = {
    PATH: process.env.PATH,
    HOME: directory,
    XDG_CACHE_HOME: join(directory, 'cache'),
    ARVADOS_KEEP_SERVICES: keepstoreUrl,
  };
  const start = (name: string, url: string) =>
    spawn(program, [name, '-config', config], {
      env: { ...env, ARVADOS_SERVICE_INTERNAL_URL: url },
      stdio: ['ignore', 'ignore', process.env.ARVADOS_SERVER_LOG === undefined ? 'ignore' : 'inherit'],
    });
  const children = [start('keepstore', keepstoreUrl), start('keep-web', keepWebUrl)];
  const stop = async () => {
    await Promise.all(children.map(ended));
    await rm(directory, { recursive: true, force: true });
  };
  try {
    for (const url of [keepstoreUrl, keepWebUrl]) await answers(`${url}/_health/ping`);
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    keepWebUrl,
    keepstoreUrl,
    cpu: () => children.reduce((sum, { pid }) => sum + cpuSeconds(Number(pid)), 0),
    [Symbol.asyncDispose]: stop,
  };
}

/** YAML is a superset of JSON. */
function configuration(places: { apiUrl: string; keepWebUrl: string; keepstoreUrl: string; volume: string }) {
  const { apiUrl, keepWebUrl, keepstoreUrl, volume } = places;
  return {
    Clusters: {
      [CLUSTER]: {
        SystemRootToken: ROOT_TOKEN,
        ManagementToken: MANAGEMENT_TOKEN,
        SystemLogs: { LogLevel: 'info', Format: 'json' },
        TLS: { Insecure: true },
        Collections: { BlobSigning: true, BlobSigningKey: SIGNING_KEY, BlobTrash: false, TrustAllContent: true },
        Services: {
          Controller: { ExternalURL: apiUrl },
          Keepstore: { InternalURLs: { [keepstoreUrl]: {} } },
          WebDAV: { InternalURLs: { [keepWebUrl]: {} }, ExternalURL: keepWebUrl },
          WebDAVDownload: { InternalURLs: { [keepWebUrl]: {} }, ExternalURL: keepWebUrl },
        },
        Volumes: {
          [`${CLUSTER}-nyw5e-000000000000009`]: {
            AccessViaHosts: { [keepstoreUrl]: {} },
            Driver: 'Directory',
            DriverParameters: { Root: volume },
            Replication: 1,
          },
        },
      },
    },
  };
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, 'exit');
  child.kill('SIGTERM');
  await exit;
}

/** Whatever it answers: it serves. */
async function answers(url: string): Promise<void> {
  for (const until = Date.now() + PATIENCE_MS; Date.now() < until; await setTimeout(100)) {
    const response = await fetch(url).catch(() => null);
    await response?.body?.cancel();
    if (response !== null) return;
  }
  throw new Error(`${url} does not answer: ARVADOS_SERVER_LOG=1 shows what the program says`);
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}
