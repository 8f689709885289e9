import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

/** HTTP by hand over a socket, where a client library would hide what is tested: broken-off bodies, odd methods, slow readers. */
export interface RawAnswer {
  status: number;
  /** Names in lower case. */
  headers: Record<string, string>;
  /** What arrived of the body, chunked or not, before the end or the break. */
  body: Buffer;
  /** Whether the body came to its announced end. False when the connection broke before. */
  complete: boolean;
}

export interface RawRequest {
  method?: string;
  /** Sent as it is, percent signs and double slashes included. */
  path: string;
  headers?: Record<string, string>;
  body?: Uint8Array;
}

/** Opens a connection and writes the request; the answer is left to the caller to read or to ignore. */
export async function openRaw(url: string, { method = 'GET', path, headers = {}, body }: RawRequest): Promise<Socket> {
  const { hostname, port, host } = new URL(url);
  const socket = connect(Number(port), hostname);
  await once(socket, 'connect');
  const lines = [`${method} ${path} HTTP/1.1`, `host: ${headers.host ?? host}`, 'connection: close'];
  for (const [name, value] of Object.entries(headers)) if (name !== 'host') lines.push(`${name}: ${value}`);
  if (body !== undefined && headers['content-length'] === undefined) lines.push(`content-length: ${body.length}`);
  socket.write(`${lines.join('\r\n')}\r\n\r\n`);
  if (body !== undefined) socket.write(body);
  return socket;
}

/** One request on a connection of its own, read until the server closes it. */
export async function rawRequest(url: string, options: RawRequest): Promise<RawAnswer> {
  const socket = await openRaw(url, options);
  return parseAnswer(await readToEnd(socket), options.method === 'HEAD');
}

/** Sends the head and only `sent` of the promised `contentLength` bytes, then breaks the connection off. */
export async function brokenUpload(
  url: string,
  options: RawRequest & {
    contentLength: number;
    sent: Uint8Array;
    /** Waited for before the connection is cut. */
    until?: () => Promise<unknown>;
  },
): Promise<void> {
  const headers = { ...options.headers, 'content-length': String(options.contentLength) };
  const socket = await openRaw(url, { ...options, headers });
  await new Promise<void>((resolve) => socket.on('error', () => resolve()).write(options.sent, () => resolve()));
  await options.until?.();
  socket.resetAndDestroy();
}

async function readToEnd(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  // A reset is a way for a server to break off: what came before it counts.
  await new Promise<void>((resolve) => socket.on('error', () => {}).once('close', () => resolve()));
  return Buffer.concat(chunks);
}

function parseAnswer(raw: Buffer, headOnly: boolean): RawAnswer {
  const end = raw.indexOf('\r\n\r\n');
  if (end < 0) return { status: 0, headers: {}, body: Buffer.alloc(0), complete: false };
  const [statusLine = '', ...headerLines] = raw.subarray(0, end).toString('latin1').split('\r\n');
  const headers = Object.fromEntries(
    headerLines.map((line) => {
      const colon = line.indexOf(':');
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
    }),
  );
  const status = Number(statusLine.split(' ')[1]);
  const rest = raw.subarray(end + 4);
  if (headOnly || status === 204 || status === 304) return { status, headers, body: rest, complete: rest.length === 0 };
  if (headers['transfer-encoding'] === 'chunked') return { status, headers, ...unchunk(rest) };
  return { status, headers, body: rest, complete: rest.length === Number(headers['content-length'] ?? rest.length) };
}

function unchunk(raw: Buffer): { body: Buffer; complete: boolean } {
  const chunks: Buffer[] = [];
  for (let at = 0; ; ) {
    const lineEnd = raw.indexOf('\r\n', at);
    if (lineEnd < 0) return { body: Buffer.concat(chunks), complete: false };
    const size = Number.parseInt(raw.subarray(at, lineEnd).toString('latin1'), 16);
    if (size === 0) return { body: Buffer.concat(chunks), complete: true };
    chunks.push(raw.subarray(lineEnd + 2, Math.min(raw.length, lineEnd + 2 + size)));
    at = lineEnd + 2 + size + 2;
  }
}
