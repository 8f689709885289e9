import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { S3Bucket, S3Server } from './s3.ts';

export interface UnconditionalS3 {
  server: S3Server;
  objects: Map<string, Buffer>;
  /** Called with the key when an object was stored, before the answer. */
  onStored: (key: string) => void;
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * An S3 server that checks Content-MD5 and ignores If-None-Match, as older Ceph releases and gateways do: enough of the
 * protocol for blocks. Real servers of the tests honour it.
 */
export async function startS3WithoutConditions(refuse = false): Promise<UnconditionalS3> {
  const objects = new Map<string, Buffer>();
  const handle: UnconditionalS3 = {
    server: { endpoint: '', region: 'us-east-1', accessKeyId: 'k', secretAccessKey: 's' },
    objects,
    onStored: () => undefined,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  const server = createServer(async (incoming, outgoing) => {
    const key = decodeURIComponent(new URL(incoming.url ?? '', 'http://s3').pathname).replace(/^\/[^/]+\//, '');
    const answer = (status: number, headers: Record<string, string | number> = {}, body: Buffer | string = '') =>
      outgoing.writeHead(status, headers).end(incoming.method === 'HEAD' ? '' : body);
    if (incoming.method === 'PUT') {
      const body = await bytesOf(incoming);
      const digest = createHash('md5').update(body);
      const [hex, base64] = [digest.copy().digest('hex'), digest.digest('base64')];
      if (refuse && incoming.headers['if-none-match'] !== undefined)
        return answer(501, {}, '<Error><Code>NotImplemented</Code></Error>');
      if ((incoming.headers['content-md5'] ?? base64) !== base64)
        return answer(400, {}, '<Error><Code>BadDigest</Code></Error>');
      objects.set(key, body);
      handle.onStored(key);
      return answer(200, { etag: `"${hex}"` });
    }
    if (incoming.method === 'DELETE') {
      objects.delete(key);
      return answer(204);
    }
    const found = objects.get(key);
    if (found === undefined) return answer(404, {}, '<Error><Code>NoSuchKey</Code></Error>');
    const etag = `"${createHash('md5').update(found).digest('hex')}"`;
    const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(incoming.headers.range ?? '') ?? [];
    if (first !== undefined && last !== undefined) {
      const part = found.subarray(Number(first), Number(last) + 1);
      const headers = {
        etag,
        'content-length': part.length,
        'content-range': `bytes ${first}-${last}/${found.length}`,
      };
      return answer(206, { ...headers, 'last-modified': new Date().toUTCString() }, part);
    }
    return answer(200, { etag, 'content-length': found.length, 'last-modified': new Date().toUTCString() }, found);
  });
  server.listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  handle.server.endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return handle;
}

/** A bucket on it, as far as the configuration of a volume needs one. */
export function bucketOn({ server }: UnconditionalS3): S3Bucket {
  return { server, name: 'keep-test' } as S3Bucket;
}

async function bytesOf(incoming: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
