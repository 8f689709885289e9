/** What a block is sent from. A stream must know its length (FixedLengthStream) and can be sent once. */
export type OutgoingBody = Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array>;

export interface TransportRequest {
  method: 'GET' | 'HEAD' | 'PUT';
  url: string;
  headers: Record<string, string>;
  body?: OutgoingBody | undefined;
  /** Bytes of the body. */
  size?: number | undefined;
  /** A connection must stand after this time. Only where the platform shows connections (Node). */
  connectTimeoutMs: number;
  signal: AbortSignal;
  /** Called with bytes as they are sent, where the platform shows them (Node). */
  onSent?: ((bytes: number) => void) | undefined;
}

/**
 * Sends requests: one exchange, no retries, no redirects followed. Rejects when there is no answer; any status
 * is an answer.
 */
export interface Transport {
  send(request: TransportRequest): Promise<Response>;
  /** Whether onSent is called: without it an upload's time limit follows from its size. */
  showsProgress: boolean;
}

/** The platform's fetch: for Workers. It has its own connect timeout, keeps connections, and doesn't show progress. */
export const fetchTransport: Transport = {
  showsProgress: false,
  send: ({ method, url, headers, body, signal }) =>
    fetch(url, { method, headers, signal, redirect: 'manual', ...(body === undefined ? {} : { body }) }),
};
