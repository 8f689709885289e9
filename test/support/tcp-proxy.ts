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

export async function startTcpProxy(target: string): Promise<TcpProxy> {
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
  const server = createServer((near) => {
    const far = connect(Number(port), hostname);
    const pair: [Socket, Socket] = [near, far];
    pairs.add(pair);
    for (const [from, to] of [pair, [far, near] as const]) {
      from.on('data', (chunk: Buffer) => {
        count(chunk.length);
        if (!to.write(chunk)) {
          from.pause();
          to.once('drain', () => from.resume());
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
