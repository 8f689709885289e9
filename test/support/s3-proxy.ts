import { createServer, type IncomingMessage, type OutgoingHttpHeaders, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { S3Bucket, S3Server } from './s3.ts';

/** One request that went through, or was answered in the server's place. */
export interface SeenRequest {
  method: string;
  /** Path and query. */
  url: string;
  headers: IncomingMessage['headers'];
  /** Bytes of the answer's body that the server sent before it came to an end or was cut. */
  answered: number;
  /** Settles once nothing more happens on this request: true when the answer came to its end. */
  done: Promise<boolean>;
}

/** What to do with a request instead of passing it on; undefined passes it on. */
export type Fault =
  | { status: number; body?: string; headers?: Record<string, string> }
  /** Closes the connection once this many bytes of the answer's body are through. */
  | { cutAnswerAfter: number }
  /** Flips a bit of the answer's body at this offset, as a store with bad disks and no checksums would. */
  | { flipBitAt: number }
  /** Passes the request on, then answers this instead of what the server said. */
  | { lieAfterwards: { status: number; body?: string | Uint8Array; headers?: Record<string, string> } }
  /** Passes the request on, and adds headers to what the server says. */
  | { addHeaders: Record<string, string> }
  /** Closes the connection without an answer. */
  | { hangUp: true }
  /** Says nothing for a while; then goes on, or hangs up. */
  | { stallMs: number; hangsUp: boolean }
  /** Passes the request on once this has happened. */
  | { after: Promise<unknown> };

export interface S3Proxy {
  server: S3Server;
  seen: SeenRequest[];
  /** Asked about each request; set it to inject faults. */
  fault: (request: SeenRequest) => Fault | undefined;
  /** Answers each listing as it was answered last before this was set: objects that came or went since are not told of. */
  listsLate: boolean;
  /** The same bucket, reached through here. */
  through(bucket: S3Bucket): S3Bucket;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Stands between the service and the real S3 server: counts what goes through, and breaks what a test wants broken. */
export async function startS3Proxy(target: S3Server): Promise<S3Proxy> {
  const listings = new Map<string, Listing>();
  const proxy = createServer((incoming, outgoing) => {
    let finish: (complete: boolean) => void = () => {};
    const done = new Promise<boolean>((resolve) => {
      finish = resolve;
    });
    const { method = '', url = '', headers } = incoming;
    const seen: SeenRequest = { method, url, headers, answered: 0, done };
    handle.seen.push(seen);
    outgoing.once('close', () => finish(outgoing.writableFinished));
    const listing = handle.listsLate ? listings.get(url) : undefined;
    const fault = listing ?? handle.fault(seen);
    if (fault !== undefined && 'stallMs' in fault) {
      setTimeout(() => {
        if (fault.hangsUp) incoming.socket.destroy();
        else pass(target, incoming, outgoing, seen, undefined, listings);
      }, fault.stallMs);
    } else if (fault !== undefined && 'after' in fault) {
      void fault.after.then(() => pass(target, incoming, outgoing, seen, undefined, listings));
    } else if (fault !== undefined && 'hangUp' in fault) {
      incoming.socket.destroy();
    } else if (fault !== undefined && 'status' in fault) {
      incoming.resume();
      incoming.once('end', () => answerWith(outgoing, fault.status, fault.headers ?? {}, fault.body));
    } else {
      pass(target, incoming, outgoing, seen, fault, listings);
    }
  });
  proxy.listen(0, '127.0.0.1');
  await new Promise((resolve) => proxy.once('listening', resolve));
  const server = { ...target, endpoint: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}` };
  const handle: S3Proxy = {
    server,
    seen: [],
    fault: () => undefined,
    listsLate: false,
    through: (bucket) => ({ ...bucket, server }),
    [Symbol.asyncDispose]: async () => {
      proxy.closeAllConnections();
      await new Promise((resolve) => proxy.close(resolve));
    },
  };
  return handle;
}

/** A body shorter than the Content-Length that `headers` claim is one that broke off. */
function answerWith(
  outgoing: ServerResponse,
  status: number,
  headers: OutgoingHttpHeaders,
  body: string | Uint8Array = '',
): void {
  outgoing.writeHead(status, headers);
  const isCut = Number(headers['content-length'] ?? 0) > Buffer.byteLength(body);
  if (isCut) outgoing.write(body, () => outgoing.destroy());
  else outgoing.end(body);
}

interface Listing {
  status: number;
  body: string;
  headers: Record<string, string>;
}

function remember(answer: IncomingMessage, url: string, listings: Map<string, Listing>): void {
  const chunks: Buffer[] = [];
  answer.on('data', (chunk: Buffer) => void chunks.push(Buffer.from(chunk)));
  answer.once('end', () => {
    const body = Buffer.concat(chunks).toString();
    listings.set(url, { status: answer.statusCode ?? 502, body, headers: { 'content-type': 'application/xml' } });
  });
}

function pass(
  target: S3Server,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  seen: SeenRequest,
  fault: Exclude<Fault, { status: number } | { hangUp: true } | { stallMs: number } | { after: unknown }> | undefined,
  listings: Map<string, Listing>,
): void {
  const cutAfter = fault !== undefined && 'cutAnswerAfter' in fault ? fault.cutAnswerAfter : Number.POSITIVE_INFINITY;
  const flipAt = fault !== undefined && 'flipBitAt' in fault ? fault.flipBitAt : -1;
  const { hostname, port } = new URL(target.endpoint);
  // The Host header goes along unchanged: it is signed.
  const upstream = request({
    hostname,
    port,
    method: seen.method,
    path: seen.url,
    headers: incoming.headers,
    agent: false,
  });
  upstream.once('error', () => outgoing.destroy());
  outgoing.once('close', () => upstream.destroy());
  upstream.once('response', (answer) => {
    if (fault !== undefined && 'lieAfterwards' in fault) {
      const { status, headers, body } = fault.lieAfterwards;
      const length = { 'content-length': String(Buffer.byteLength(body ?? '')) };
      answer
        .resume()
        .once('end', () => answerWith(outgoing, status, { ...answer.headers, ...length, ...headers }, body));
      return;
    }
    const added = fault !== undefined && 'addHeaders' in fault ? fault.addHeaders : {};
    outgoing.writeHead(answer.statusCode ?? 502, { ...answer.headers, ...added });
    if (seen.url.includes('list-type=2')) remember(answer, seen.url, listings);
    answer.on('data', (chunk: Buffer) => {
      const flip = flipAt - seen.answered;
      if (flip >= 0 && flip < chunk.length) chunk[flip] = (chunk[flip] ?? 0) ^ 1;
      seen.answered += chunk.length;
      if (seen.answered >= cutAfter) {
        outgoing.write(chunk.subarray(0, chunk.length - (seen.answered - cutAfter)), () => outgoing.destroy());
        answer.removeAllListeners('data').pause();
      } else if (!outgoing.write(chunk)) {
        answer.pause();
        outgoing.once('drain', () => answer.resume());
      }
    });
    answer.once('end', () => outgoing.end());
    answer.once('error', () => outgoing.destroy());
  });
  incoming.pipe(upstream);
}
