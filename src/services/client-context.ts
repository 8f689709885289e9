import type { FailedWrites } from './failed-writes.ts';
import { areDisks, isGateway, type KeepService } from './keep-service.ts';
import type { HintedCluster } from './probe-order.ts';
import type { RetryPolicy, sleep } from './retry.ts';
import type { OnPause } from './rounds.ts';
import type { ServiceSource } from './service-source.ts';
import type { TransferLimits } from './transfer-limits.ts';
import type { Transport } from './transport.ts';

/**
 * How many bytes the connection behind a body has brought so far, where the platform shows it: a stall is noticed then
 * even if other code reads the body. Null for a body that is not the transport's.
 */
export type BytesReceived = (body: ReadableStream<Uint8Array>) => (() => number) | null;

interface RoundOf {
  number: number;
  services: readonly KeepService[];
}

/** What every operation of one Keep client shares. */
export interface ClientContext {
  services: ServiceSource;
  token: string;
  transport: Transport;
  md5: (bytes: Uint8Array<ArrayBuffer>) => Promise<string>;
  hintedCluster: HintedCluster;
  retry: RetryPolicy;
  limits: TransferLimits;
  sleep: typeof sleep;
  onPause?: OnPause | undefined;
  bytesReceived?: BytesReceived | undefined;
  failedWrites?: FailedWrites | undefined;
  /** Milliseconds since 1970. */
  now: () => number;
  headers(token: string): Record<string, string>;
  /** @param round its number, and the services that the operation may use */
  connectTimeoutMs(round: RoundOf): number;
}

const DISK_CONNECT_TIMEOUT_MS = 2_000;
const PROXY_CONNECT_TIMEOUT_MS = 20_000;

/** In milliseconds: short when all services are keepstores of the local network, long through a proxy; doubled each round. */
export function connectTimeoutMs({ number, services }: RoundOf): number {
  const near = areDisks(services.filter((service) => !isGateway(service)));
  return (near ? DISK_CONNECT_TIMEOUT_MS : PROXY_CONNECT_TIMEOUT_MS) * 2 ** number;
}
