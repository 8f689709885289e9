import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { localCertificate } from '../../dev/certificate.ts';
import { ROOT } from '../../dev/serve.ts';
import { preparePython } from '../clients/prepare-python.ts';
import { api } from '../support/api.ts';
import { cliFor } from '../support/cli.ts';
import { createProject, makePublic, PUBLIC_GATEWAY, R2_GATEWAY, S3_GATEWAY, s3Gateway } from '../support/gateways.ts';
import { createS3Bucket, s3Secrets } from '../support/s3.ts';
import { startService } from '../support/service.ts';
import { type FilledBucket, fill, handsOfS3, loggedWrites } from './gateway-buckets.ts';
import { readersWith } from './gateway-clients.ts';

/**
 * `test/support/s3/with-s3 --auto --bluestore -- node test/large/gateways.ts`: buckets of 10,000 objects from 0 bytes to 5 GiB, single
 * and in parts, with odd names, on a real S3 server (with keys, and public without) and in R2, are adopted by an admin and read
 * back by another user with `keep-edge get`, `arv-get` and `arv-mount`. Every file is compared, and nothing may be
 * written to the bucket. `--only ceph|public|r2`, `--objects N`, `--largest MIB`. Needs 25 GB of disk and half an hour.
 */
const { values } = parseArgs({
  options: {
    objects: { type: 'string', default: '10000' },
    largest: { type: 'string', default: '5120' },
    only: { type: 'string' },
  },
});
const objects = Number(values.objects);
const largestMib = Number(values.largest);

/** The service's certificate is its own. */
process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0';
process.removeAllListeners('warning');
const python = await preparePython(join(ROOT, '.cache/arvados-sdk'), join(ROOT, 'test/clients/requirements.txt'));
const readers = readersWith(join(python, '..'));

const state = await mkdtemp(join(tmpdir(), 'keep-edge-gateways-'));
const bucket = await createS3Bucket();
const open = await createS3Bucket();
await makePublic(open);
const edge = await startService({
  state,
  tls: await localCertificate(state),
  r2: ['LAKE'],
  vars: {
    ...s3Secrets(bucket),
    EDGE_CACHE: 'off',
    GATEWAYS: {
      [S3_GATEWAY]: s3Gateway(bucket, 'ceph'),
      [PUBLIC_GATEWAY]: s3Gateway(open, 'open', {}, { isPublic: true }),
      [R2_GATEWAY]: { Name: 'lake', Driver: 'R2', DriverParameters: { Binding: 'LAKE', Bucket: 'lake' } },
    },
  },
});
const admin = await cliFor(edge, 'adopter');
admin.env.ARVADOS_API_TOKEN = edge.rootToken;
const reader = await cliFor(edge, 'reader');
const readerUuid = (await api(edge, 'users/current', { token: reader.token })).json.uuid;
// As the SDK writes it.
const ARVADOS_API_HOST = new URL(edge.url).host;
for (const { env } of [admin, reader])
  Object.assign(env, { ARVADOS_API_HOST, ARVADOS_API_HOST_INSECURE: '1', LANG: 'C.UTF-8' });

interface Subject {
  fill: () => Promise<FilledBucket>;
  /** What changes with every write. */
  writes: () => Promise<string>;
}

const SUBJECTS: Record<string, Subject> = {
  ceph: {
    fill: () => fill(bucket.name, handsOfS3(bucket), objects, largestMib),
    writes: () => loggedWrites(bucket.name),
  },
  public: { fill: () => fill(open.name, handsOfS3(open), objects, largestMib), writes: () => loggedWrites(open.name) },
  r2: {
    fill: () => fill('lake', edge.r2('LAKE'), objects, largestMib),
    writes: async () => JSON.stringify(await edge.r2('LAKE').versions()),
  },
};

try {
  for (const [name, subject] of Object.entries(SUBJECTS))
    if (values.only === undefined || values.only === name) await tryOut(name, subject);
  console.log('ALL WELL');
} finally {
  await edge.stop();
  for (const cli of [admin, reader]) await cli[Symbol.asyncDispose]();
  await rm(state, { recursive: true, force: true });
}

async function tryOut(name: string, subject: Subject): Promise<void> {
  const say = (text: string) => console.log(`${name}: ${text}`);
  say(`filling a bucket with ${objects} objects, the largest of ${largestMib} MiB`);
  const filled = await timed(subject.fill);
  const { expected, bytes, name: source } = filled.result;
  say(`${expected.size} objects, ${(bytes / 2 ** 30).toFixed(2)} GiB, filled in ${filled.seconds} s`);
  const before = await subject.writes();
  const project = await createProject(edge, `large ${name}`);
  const link = { link_class: 'permission', name: 'can_read', tail_uuid: readerUuid, head_uuid: project };
  await api(edge, 'links', { body: { link } });
  const adopt = () => timed(() => admin.ok('adopt', `s3://${source}/all`, '--into', project));
  const adopted = await adopt();
  say(`adopted in ${adopted.seconds} s`);
  say(`adopted again, nothing changed, in ${(await adopt()).seconds} s`);
  for (const [client, read] of Object.entries(readers)) {
    const { seconds } = await timed(() => read(reader, adopted.result, expected));
    say(`${client} read ${expected.size} files in ${seconds} s, all the same bytes`);
  }
  if ((await subject.writes()) !== before) throw new Error('something was written to the bucket');
  say('nothing was written to the bucket');
}

async function timed<Result>(work: () => Promise<Result>): Promise<{ result: Result; seconds: string }> {
  const started = performance.now();
  const result = await work();
  return { result, seconds: ((performance.now() - started) / 1000).toFixed(1) };
}
