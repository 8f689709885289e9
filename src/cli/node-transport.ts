import type http from 'node:http';
import type { Readable } from 'node:stream';
import type { OutgoingBody, Transport, TransportRequest } from '../services/transport.ts';
import { createNetwork, type Network, type NetworkOptions } from './network.ts';

/** Without an answer to "Expect: 100-continue" the body is sent after this time, as curl does. */
const CONTINUE_TIMEOUT_MS = 1_000;
const CHUNK_BYTES = 262_144;
const NULL_BODY_STATUS = new Set([204, 205, 304]);
const STALE_CONNECTION = new Set(['ECONNRESET', 'EPIPE']);

/**
 * HTTP/1.1 over kept-alive connections: with a connect timeout, upload progress, and Expect: 100-continue, so that a
 * refused write costs no upload. `close` ends idle connections.
 */
export function createNodeTransport(options: NetworkOptions = {}): Transport & { close(): void } {
  const network = createNetwork(options);
  return {
    showsProgress: true,
    async send(request) {
      const first = await exchangeOnce(request, network);
      if (first !== 'stale') return first;
      const second = await exchangeOnce(request, network);
      if (second !== 'stale') return second;
      throw new Error('the server closes connections before it answers');
    },
    close: network.close,
  };
}

/** `stale`: the server closed an idle connection as it was used; nothing was sent, so it is safe to repeat. */
function exchangeOnce(request: TransportRequest, network: Network): Promise<Response | 'stale'> {
  const { method, headers, body, signal } = request;
  const url = new URL(request.url);
  const size = request.size ?? (body instanceof Uint8Array ? body.byteLength : 0);
  const expects = body !== undefined && size > 0;
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const outgoing = network.request(url, {
      method,
      headers: {
        ...headers,
        ...(body === undefined ? {} : { 'Content-Length': size }),
        ...(expects ? { Expect: '100-continue' } : {}),
      },
    });
    let started = false;
    let incoming: http.IncomingMessage | null = null;
    const sendBody = () => {
      clearTimeout(continueTimer);
      if (started || incoming !== null || body === undefined) return;
      started = true;
      sendChunks(outgoing, body, request.onSent).catch((error) => outgoing.destroy(error));
    };
    const continueTimer = expects ? setTimeout(sendBody, CONTINUE_TIMEOUT_MS) : undefined;
    const abort = () => (incoming ?? outgoing).destroy(signal.reason);
    signal.addEventListener('abort', abort, { once: true });
    limitConnecting(outgoing, request.connectTimeoutMs);

    outgoing.on('continue', sendBody);
    outgoing.on('response', (response) => {
      incoming = response;
      clearTimeout(continueTimer);
      response.on('close', () => {
        signal.removeEventListener('abort', abort);
        // The announced body was not sent: the connection cannot be reused.
        if (!outgoing.writableFinished) outgoing.destroy();
      });
      try {
        resolve(toResponse(response, method));
      } catch (error) {
        response.destroy();
        reject(error);
      }
    });
    outgoing.on('error', (error: NodeJS.ErrnoException) => {
      clearTimeout(continueTimer);
      if (incoming !== null) return;
      signal.removeEventListener('abort', abort);
      const stale = outgoing.reusedSocket && !started && STALE_CONNECTION.has(error.code ?? '') && !signal.aborted;
      if (stale) resolve('stale');
      else reject(error);
    });
    if (!expects) outgoing.end();
  });
}

function limitConnecting(outgoing: http.ClientRequest, timeoutMs: number): void {
  outgoing.once('socket', (socket) => {
    if (!socket.connecting) return;
    const timer = setTimeout(
      () => outgoing.destroy(new Error(`no connection within ${timeoutMs / 1000} s`)),
      timeoutMs,
    );
    socket.once('encrypted' in socket ? 'secureConnect' : 'connect', () => clearTimeout(timer));
    socket.once('close', () => clearTimeout(timer));
  });
}

async function sendChunks(
  outgoing: http.ClientRequest,
  body: OutgoingBody,
  onSent: TransportRequest['onSent'],
): Promise<void> {
  const chunks = body instanceof Uint8Array ? split(body) : body;
  for await (const chunk of chunks) {
    await new Promise<void>((resolve, reject) => outgoing.write(chunk, (error) => (error ? reject(error) : resolve())));
    onSent?.(chunk.byteLength);
  }
  outgoing.end();
}

function* split(bytes: Uint8Array): Iterable<Uint8Array> {
  for (let at = 0; at < bytes.byteLength; at += CHUNK_BYTES) yield bytes.subarray(at, at + CHUNK_BYTES);
}

function toResponse(incoming: http.IncomingMessage, method: string): Response {
  const status = incoming.statusCode ?? 0;
  const headers = new Headers();
  for (const [name, values = []] of Object.entries(incoming.headersDistinct)) {
    for (const value of values) headers.append(name, value);
  }
  if (method === 'HEAD' || NULL_BODY_STATUS.has(status)) {
    incoming.resume();
    return new Response(null, { status, headers });
  }
  return new Response(toWebStream(incoming), { status, headers });
}

const nodeStreams = new WeakMap<ReadableStream, Readable>();

/**
 * The Node stream behind an unread body of this transport, to be read instead of it: web streams cost as much
 * processor time as the MD5. Null for other bodies.
 */
export function nodeStreamOf(body: ReadableStream<Uint8Array>): Readable | null {
  return nodeStreams.get(body) ?? null;
}

/** Reads nothing before the first pull, so that the Node stream can be taken instead. */
function toWebStream(incoming: http.IncomingMessage): ReadableStream<Uint8Array<ArrayBuffer>> {
  let chunks: AsyncIterator<Uint8Array<ArrayBuffer>> | null = null;
  const stream = new ReadableStream<Uint8Array<ArrayBuffer>>(
    {
      async pull(controller) {
        chunks ??= incoming[Symbol.asyncIterator]();
        const { done, value } = await chunks.next();
        if (done) controller.close();
        else controller.enqueue(value);
      },
      cancel: () => void incoming.destroy(),
    },
    { highWaterMark: 0 },
  );
  nodeStreams.set(stream, incoming);
  return stream;
}
