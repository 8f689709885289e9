import { createHash } from 'node:crypto';
import { once } from 'node:events';
import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** One request as a server saw it. */
export interface SeenRequest {
  method: string;
  path: string;
  headers: http.IncomingHttpHeaders;
  /** Bytes of body that really came. */
  bodyBytes: number;
}

export interface Answer {
  status: number;
  headers?: Record<string, string>;
  body?: Uint8Array | string;
}

/** What a server does with a request; an Answer, or writing to `response` by itself. */
export type Behaviour = (
  request: IncomingMessage,
  response: ServerResponse,
  body: () => Promise<Buffer>,
) => Answer | undefined | Promise<Answer | undefined>;

export interface KeepServer {
  url: string;
  host: string;
  port: number;
  /** Requests in the order of their arrival. */
  seen: SeenRequest[];
  /** TCP connections that were made to it. */
  connections: number;
  /** Replaces what it does. */
  behave(behaviour: Behaviour): void;
  stop(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

export const md5 = (data: Uint8Array | string): string => createHash('md5').update(data).digest('hex');
export const locatorOf = (data: Uint8Array | string): string => `${md5(data)}+${Buffer.byteLength(data)}`;

/** A Keep service on a socket that does what the test tells it, and remembers what it was asked. */
export async function startKeepServer(behaviour: Behaviour = () => ({ status: 404 })): Promise<KeepServer> {
  let behave = behaviour;
  const seen: SeenRequest[] = [];
  const handle = async (request: IncomingMessage, response: ServerResponse) => {
    const entry: SeenRequest = {
      method: request.method ?? '',
      path: request.url ?? '',
      headers: request.headers,
      bodyBytes: 0,
    };
    seen.push(entry);
    const body = async () => {
      if (request.headers.expect !== undefined) response.writeContinue();
      const chunks: Buffer[] = [];
      for await (const chunk of request) {
        entry.bodyBytes += chunk.length;
        chunks.push(chunk);
      }
      return Buffer.concat(chunks);
    };
    const answer = await behave(request, response, body);
    if (answer === undefined) return;
    response.writeHead(answer.status, answer.headers).end(answer.body);
  };
  const onRequest = (request: IncomingMessage, response: ServerResponse) =>
    void handle(request, response).catch(() => response.destroy());
  const server = http.createServer(onRequest);
  server.on('checkContinue', onRequest);
  let connections = 0;
  server.on('connection', () => {
    connections++;
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const stop = async () => {
    server.closeAllConnections();
    if (server.listening) await new Promise((resolve) => server.close(resolve));
  };
  return {
    url: `http://127.0.0.1:${port}`,
    host: '127.0.0.1',
    port,
    seen,
    get connections() {
      return connections;
    },
    behave: (next) => {
      behave = next;
    },
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

/** Gives out `data` for its locator, whatever the hints. */
export const serving =
  (data: Uint8Array | string): Behaviour =>
  () => ({
    status: 200,
    headers: { 'Content-Length': String(Buffer.byteLength(data)) },
    body: data,
  });

/** Stores what is PUT, and says so with these headers. */
export const storing =
  (headers: Record<string, string> = {}): Behaviour =>
  async (_request, _response, body) => {
    const data = await body();
    return { status: 200, headers, body: `${locatorOf(data)}+Asigned\n` };
  };

export const answering =
  (status: number, body = ''): Behaviour =>
  () => ({ status, body });

/** Takes the request and never answers. */
export const hanging: Behaviour = () => undefined;

/** A port without a listener, and too low for another test to be given it. */
export const DEAD_URL = 'http://127.0.0.1:2';
