import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** A network between a client and a service that can be cut, and that can swallow what is sent. */
export interface TcpProxy {
  /** The service's address, by way of here. */
  readonly url: string;
  /** Resolves once this many more bytes have passed, in both directions together. */
  passed(bytes: number): Promise<void>;
  /** Breaks every connection off. */
  cut(): void;
  /** From now on existing connections pass nothing on, without an error. New ones work. */
  stall(): void;
  /** Refuses new connections and ends all existing ones. */
  close(): Promise<void>;
  /** Connections are taken again, on the same port. */
  open(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Less than this is not worth a timer. */
const SHORT_MS = 10;

/** @param options.bytesPerSecond at most, of all that is sent to the service */
export async function startTcpProxy(
  target: string,
  { bytesPerSecond = Number.POSITIVE_INFINITY }: { bytesPerSecond?: number } = {},
): Promise<TcpProxy> {
  const { hostname, port } = new URL(target);
  const pairs = new Set<[Socket, Socket]>();
  const waiting = new Set<{ left: number; resolve: () => void }>();
  const count = (bytes: number) => {
    for (const waiter of waiting) {
      waiter.left -= bytes;
      if (waiter.left > 0) continue;
      waiting.delete(waiter);
      waiter.resolve();
    }
  };
  let freeAt = 0;
  /** Milliseconds until the line has taken these bytes. */
  const taking = (bytes: number): number => {
    freeAt = Math.max(freeAt, Date.now()) + (bytes / bytesPerSecond) * 1000;
    return freeAt - Date.now();
  };
  const server = createServer((near) => {
    const far = connect(Number(port), hostname);
    const pair: [Socket, Socket] = [near, far];
    pairs.add(pair);
    for (const [from, to] of [pair, [far, near] as const]) {
      from.on('data', (chunk: Buffer) => {
        count(chunk.length);
        const isFull = !to.write(chunk);
        const busyMs = from === near ? taking(chunk.length) : 0;
        if (isFull) {
          from.pause();
          to.once('drain', () => from.resume());
        } else if (busyMs > SHORT_MS) {
          from.pause();
          setTimeout(() => from.resume(), busyMs);
        }
      });
      from.on('end', () => to.end());
      from.on('error', () => to.destroy());
      from.on('close', () => {
        pairs.delete(pair);
        to.destroy();
      });
    }
  });
  const listen = async (wanted: number) => {
    server.listen(wanted, '127.0.0.1');
    await once(server, 'listening');
  };
  await listen(0);
  const own = (server.address() as AddressInfo).port;
  const cut = () => {
    for (const pair of pairs) for (const socket of pair) socket.resetAndDestroy();
  };
  const close = async () => {
    const closed = once(server, 'close');
    server.close();
    cut();
    await closed;
  };
  return {
    url: `http://127.0.0.1:${own}`,
    passed: (bytes) => new Promise((resolve) => waiting.add({ left: bytes, resolve })),
    cut,
    stall() {
      for (const pair of pairs) {
        for (const socket of pair) {
          socket.removeAllListeners('data').removeAllListeners('drain');
          socket.pause();
        }
      }
    },
    close,
    open: () => listen(own),
    async [Symbol.asyncDispose]() {
      if (server.listening) await close();
    },
  };
}
