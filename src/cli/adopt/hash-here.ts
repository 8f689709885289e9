import { createHash } from 'node:crypto';
import { createS3GatewayBucket } from '../../gateways/s3-bucket.ts';
import { MAX_BLOCK_BYTES } from '../../keep/limits.ts';
import type { Row } from '../api-client.ts';
import { CliError } from '../cli-error.ts';
import type { Session } from '../session.ts';
import { note, showName } from '../terminal.ts';
import { type JobRecord, statusOf } from './follow.ts';

interface Wanted {
  key: string;
  size: number;
  etag: string;
}

const POLL_MS = 500;
/** Objects that are read side by side. */
const LANES = 4;

/**
 * Hashes from here what the service wants hashed: pays no transfer on a machine in the bucket's region. Credentials are
 * AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; without them the bucket is read as a public one.
 */
export async function hashHere(session: Session, id: string): Promise<void> {
  const { api } = session;
  let job = await statusOf(api, id);
  const bucket = await bucketOf(session, job);
  for (let after = ''; ; ) {
    if (job.phase === 'listing') await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    else if (job.phase !== 'hashing') return;
    else {
      const { items } = await api(`keep-edge/v1/adoptions/${id}/wanted`, { query: { after } });
      const wanted = items as Wanted[];
      // What could not be read is not asked for again in this run.
      if (wanted.length === 0) break;
      await hashAll(wanted, async (object) => {
        const hashes = await hashesOf(bucket, object);
        if (hashes === null) return note(`Left out: ${showName(object.key)}: it changed, or cannot be read from here`);
        await api(`keep-edge/v1/adoptions/${id}/hashes`, {
          method: 'POST',
          body: { objects: [{ ...object, hashes }] },
        });
      });
      after = wanted.at(-1)?.key ?? after;
    }
    job = await statusOf(api, id);
  }
  job = await statusOf(api, id);
  if (job.phase === 'hashing') {
    await api(`keep-edge/v1/adoptions/${id}/cancel`, { method: 'POST', body: {} });
    throw new CliError('Some objects could not be hashed from here: run it again, or without --hash-here.');
  }
}

async function bucketOf({ api }: Session, job: JobRecord) {
  const { items } = await api('keep-edge/v1/gateways');
  const gateway = (items as Row[]).find(({ uuid }) => uuid === job.gateway);
  if (gateway === undefined || gateway.region === null)
    throw new CliError('--hash-here is for S3 buckets: an R2 bucket is hashed at the service, which pays no transfer.');
  const { AWS_ACCESS_KEY_ID = '', AWS_SECRET_ACCESS_KEY = '' } = process.env;
  const [, bucket = ''] = /^s3:\/\/([^/]+)/.exec(job.source) ?? [];
  return createS3GatewayBucket(
    {
      kind: 'S3',
      endpoint: String(gateway.endpoint),
      region: String(gateway.region),
      bucket,
      usePathStyle: gateway.path_style === true,
      accessKeyId: AWS_ACCESS_KEY_ID,
      secretAccessKey: AWS_SECRET_ACCESS_KEY,
    },
    true,
  );
}

async function hashAll(wanted: Wanted[], work: (object: Wanted) => Promise<void>): Promise<void> {
  const queue = wanted[Symbol.iterator]();
  const lane = async () => {
    for (let next = queue.next(); !next.done; next = queue.next()) await work(next.value);
  };
  await Promise.all(Array.from({ length: LANES }, lane));
}

/** Null when the object is no longer what was listed. */
async function hashesOf(
  bucket: ReturnType<typeof createS3GatewayBucket>,
  { key, size, etag }: Wanted,
): Promise<string[] | null> {
  const hashes: string[] = [];
  if (size <= MAX_BLOCK_BYTES) {
    const facts = await bucket.stat(key);
    if (facts?.etag === etag && facts.md5 === etag) return [etag];
  }
  for (let offset = 0; offset < size; offset += MAX_BLOCK_BYTES) {
    const length = Math.min(MAX_BLOCK_BYTES, size - offset);
    const opened = await bucket.open(key, { etag, offset, length, size });
    if (opened.state !== 'open') return null;
    const hash = createHash('md5');
    let bytes = 0;
    for await (const chunk of opened.body) {
      hash.update(chunk);
      bytes += chunk.byteLength;
    }
    if (bytes !== length) throw new CliError(`${showName(key)}: the bucket broke off in the middle`);
    hashes.push(hash.digest('hex'));
  }
  return hashes;
}
