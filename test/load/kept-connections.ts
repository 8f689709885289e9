import { subscribe } from 'node:diagnostics_channel';
import type { Socket } from 'node:net';

/** How a request that failed met its connection. Bytes and milliseconds. */
export interface ConnectionFacts {
  /** Requests that the connection had answered before. */
  answeredBefore: number;
  /** How long it had lain idle when the request was sent. */
  idleMs: number;
  /** Time from sending to failing. */
  pendingMs: number;
  /** What of an answer had come. */
  received: number;
}

interface Use {
  answered: number;
  lastAnswer: number;
  sent: number;
  bytesBefore: number;
}

/** workerd closes a connection on which nothing was asked for this long (measured: 15,002 ms). */
const RUNTIME_IDLE_MS = 15_000;
const SLACK_MS = 1_000;

const uses = new WeakMap<Socket, Use>();
const sockets = new WeakMap<object, Socket>();
const facts = new WeakMap<object, ConnectionFacts>();
let isWatching = false;

/** Begins to watch this process's fetch. */
export function watchConnections(): void {
  if (isWatching) return;
  isWatching = true;
  subscribe('undici:client:sendHeaders', (message) => {
    const { request, socket } = message as { request: object; socket: Socket };
    const use = uses.get(socket) ?? { answered: 0, lastAnswer: Date.now(), sent: 0, bytesBefore: 0 };
    uses.set(socket, Object.assign(use, { sent: Date.now(), bytesBefore: socket.bytesRead }));
    sockets.set(request, socket);
  });
  subscribe('undici:request:trailers', (message) => {
    const socket = sockets.get((message as { request: object }).request);
    const use = socket && uses.get(socket);
    if (use) Object.assign(use, { answered: use.answered + 1, lastAnswer: Date.now() });
  });
  subscribe('undici:request:error', (message) => {
    const { request, error } = message as { request: object; error: unknown };
    const socket = sockets.get(request);
    const use = socket && uses.get(socket);
    if (!use || typeof error !== 'object' || error === null) return;
    facts.set(error, {
      answeredBefore: use.answered,
      idleMs: use.sent - use.lastAnswer,
      pendingMs: Date.now() - use.sent,
      received: socket.bytesRead - use.bytesBefore,
    });
  });
}

/** What is known of the connection on which fetch failed with this cause. */
export function factsOf(cause: unknown): ConnectionFacts | undefined {
  return typeof cause === 'object' && cause !== null ? facts.get(cause) : undefined;
}

/**
 * Both sides may close a kept connection at any time: a request that is sent just as the runtime does so gets no
 * answer, and every client sends it again. True for exactly that: the connection had served before, had lain idle for as
 * long as the runtime allows, and not one byte of an answer came.
 */
export function isStaleConnection(known: ConnectionFacts | undefined): boolean {
  return (
    known !== undefined &&
    known.answeredBefore > 0 &&
    known.received === 0 &&
    known.idleMs >= RUNTIME_IDLE_MS - SLACK_MS
  );
}
