import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { localCertificate } from '../../dev/certificate.ts';
import { createFirstAdmin } from '../../dev/first-start.ts';
import { ROOT, type Service, serve } from '../../dev/serve.ts';
import { prepareNode } from './prepare-node.ts';
import { preparePython } from './prepare-python.ts';

/**
 * `npm run test:clients`: the real Arvados Python SDK and its command line tools against a service of its own, over
 * https, with nothing set but ARVADOS_API_HOST, ARVADOS_API_TOKEN and ARVADOS_API_HOST_INSECURE. The user is an ordinary
 * one: an admin's manifests are not checked. Arguments go to Python's unittest (a file, `-k name`).
 */
/** What the gateway's bucket holds: sizes by name; test_gateways.py knows the bytes. */
const GATEWAY = 'xedge-bi6l4-lake00000000000';
const OBJECTS = { empty: 0, small: 10, 'a b/c': 70_000, 'parts.bin': 12_000_001, 'large.bin': 70_000_000 };
const OTHER_CLUSTER = 'yedge';
const NODE_CLIENTS = join(ROOT, '.cache/clients-node');
const VENV = join(ROOT, '.cache/arvados-sdk');

prepareNode(NODE_CLIENTS, import.meta.dirname);
const python = await preparePython(VENV, join(import.meta.dirname, 'requirements.txt'));
const work = await mkdtemp(join(tmpdir(), 'keep-edge-clients-'));
const state = join(work, 'state');
await mkdir(state);
const log = createWriteStream(join(work, 'service.log'));
const SECRETS = {
  SYSTEM_ROOT_TOKEN: 'r'.repeat(40),
  BLOB_SIGNING_KEY: 's'.repeat(40),
  MANAGEMENT_TOKEN: 'm'.repeat(40),
};
const tls = await localCertificate(state);
const service = await serve({
  port: 0,
  state,
  devVars: false,
  r2Buckets: ['LAKE'],
  vars: {
    ...SECRETS,
    GATEWAYS: { [GATEWAY]: { Name: 'lake', Driver: 'R2', DriverParameters: { Binding: 'LAKE', Bucket: 'lake' } } },
  },
  tls,
  onLog: (line) => log.write(`${line}\n`),
});
/** Another cluster, for what copies from one to the other. */
const other = await serve({
  port: 0,
  state: join(work, 'other-state'),
  devVars: false,
  vars: { ...SECRETS, CLUSTER_ID: OTHER_CLUSTER, VOLUMES: volumesOf(OTHER_CLUSTER) },
  tls,
  onLog: (line) => log.write(`${line}\n`),
});
await fillLake();
/** Holds back clients that are fast: test_limits.py. */
const limited = await startLimited();
const code = await runTests();
await Promise.all([service.stop(), other.stop(), limited.service.stop()]);
if (code === 0) await rm(work, { recursive: true });
else console.log(`The service's log is ${join(work, 'service.log')}`);
process.exit(code);

/** Bytes as support.py makes them. One object in parts, whose ETag is no MD5. */
async function fillLake(): Promise<void> {
  const bucket = await service.r2Bucket('LAKE');
  for (const [name, size] of Object.entries(OBJECTS)) {
    const code = `import random, sys; sys.stdout.buffer.write(random.Random(${size}).randbytes(${size}))`;
    const bytes = execFileSync(python, ['-c', code], { maxBuffer: 2 * size + 1024 });
    if (name !== 'parts.bin') await bucket.put(`data/${name}`, bytes);
    else {
      const upload = await bucket.createMultipartUpload(`data/${name}`);
      const half = 6 << 20;
      const parts = [
        await upload.uploadPart(1, bytes.subarray(0, half)),
        await upload.uploadPart(2, bytes.subarray(half)),
      ];
      await upload.complete(parts);
    }
  }
}

async function startLimited() {
  const place = join(work, 'limited');
  await mkdir(place);
  const limitedService = await serve({
    port: 0,
    state: place,
    devVars: false,
    vars: { SYSTEM_ROOT_TOKEN: 'q'.repeat(40), BLOB_SIGNING_KEY: 's'.repeat(40), MANAGEMENT_TOKEN: 'n'.repeat(40) },
    limiters: { LIMIT_TOKENS: { limit: 8, period: 10 } },
    tls,
    onLog: (line) => log.write(`${line}\n`),
  });
  const { token } = await createFirstAdmin(place, limitedService.api);
  return { service: limitedService, token: token ?? '' };
}

async function runTests(): Promise<number> {
  const admin = await createFirstAdmin(state, service.api);
  const token = await ordinaryUser(service);
  await settingsFor('xedge', service, token);
  await settingsFor(OTHER_CLUSTER, other, await ordinaryUser(other));
  const child = spawn(python, ['-m', 'unittest', ...(process.argv.length > 2 ? process.argv.slice(2) : ['-v'])], {
    cwd: import.meta.dirname,
    stdio: 'inherit',
    env: {
      PATH: `${join(VENV, 'bin')}:${process.env.PATH ?? ''}`,
      HOME: work,
      TMPDIR: work,
      LANG: 'C.UTF-8',
      PYTHONDONTWRITEBYTECODE: '1',
      ARVADOS_API_HOST: new URL(service.url).host,
      ARVADOS_API_TOKEN: token,
      ARVADOS_API_HOST_INSECURE: '1',
      KEEP_EDGE_CLI: JSON.stringify([process.execPath, join(ROOT, 'src/cli/keep-edge.ts')]),
      NODE: process.execPath,
      NODE_CLIENTS,
      NODE_EXTRA_CA_CERTS: join(state, 'https-cert.pem'),
      KEEP_EDGE_LAKE: JSON.stringify({ gateway: GATEWAY, objects: OBJECTS }),
      KEEP_EDGE_ADMIN_TOKEN: admin.token ?? '',
      KEEP_EDGE_LIMITED: JSON.stringify({ url: limited.service.url, token: limited.token, management: 'n'.repeat(40) }),
    },
  });
  const [exit] = (await once(child, 'exit')) as [number | null];
  return exit ?? 1;
}

function volumesOf(cluster: string) {
  return {
    [`${cluster}-nyw5e-000000000000000`]: { Driver: 'R2', Replication: 2, DriverParameters: { Binding: 'BLOCKS' } },
  };
}

/** @returns a token */
async function ordinaryUser({ api }: Service): Promise<string> {
  const user = (await api('users', { user: { username: 'client', first_name: 'Client' } })) as { uuid: string };
  const made = (await api('api_client_authorizations', {
    api_client_authorization: { owner_uuid: user.uuid },
  })) as { uuid: string; api_token: string };
  return `v2/${made.uuid}/${made.api_token}`;
}

/** Where arv-copy looks for a cluster that is named by its id. */
async function settingsFor(cluster: string, { url }: Service, token: string): Promise<void> {
  const directory = join(work, '.config/arvados');
  await mkdir(directory, { recursive: true });
  const lines = [
    `ARVADOS_API_HOST=${new URL(url).host}`,
    `ARVADOS_API_TOKEN=${token}`,
    'ARVADOS_API_HOST_INSECURE=true',
  ];
  await writeFile(join(directory, `${cluster}.conf`), `${lines.join('\n')}\n`, { mode: 0o600 });
}
