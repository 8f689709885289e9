import { MAX_BLOCK_BYTES } from '../keep/limits.ts';
import type { AdoptionCounts } from './adoption.ts';
import type { GatewayConfig } from './gateway-config.ts';
import { SHARDS } from './places.ts';

/** Published list prices in dollars, of November 2026: docs/gateways.md says where they come from. */
const PRICES = {
  aws: { listPerThousand: 0.005, getPerThousand: 0.0004, egressPerGb: 0.09 },
  r2: { listPerMillion: 4.5, getPerMillion: 0.36 },
  rowsWrittenPerMillion: 1,
  objectRequestsPerMillion: 0.15,
  cpuPerMillionMs: 0.02,
};
/** Measured: MD5 of 64 MiB in the runtime. */
const CPU_MS_PER_MIB = 1.6;
const CPU_MS_PER_OBJECT = 0.5;
const GB = 1e9;
const MIB = 2 ** 20;

/** What an adoption costs, told before it is done. */
export interface Estimate {
  requests: { list: number; head: number; get: number };
  bytesToRead: number;
  rowsWritten: number;
  dollars: {
    /** Requests to the bucket. */
    requests: number;
    /** Bytes that leave the bucket's provider; 0 where it takes nothing for them. */
    transfer: number;
    /** This service's own processor time, rows and requests. */
    service: number;
    total: number;
  };
  /** Whether the bucket's prices are known: another server's are its own. */
  pricesKnown: boolean;
}

export function estimateOf(counts: AdoptionCounts, { driver }: GatewayConfig, hashing: 'service' | 'client'): Estimate {
  const { askedObjects: head, readBytes: bytesToRead, lists: list, blocks, fresh, changed } = counts;
  const get = Math.ceil(bytesToRead / MAX_BLOCK_BYTES) + counts.readObjects;
  const rowsWritten = 2 * (fresh + changed) + blocks;
  const isAws = driver.kind === 'S3' && (driver.endpoint === '' || /\.amazonaws\.com\/?$/.test(driver.endpoint));
  const requests = isAws
    ? (list * PRICES.aws.listPerThousand + (head + get) * PRICES.aws.getPerThousand) / 1000
    : driver.kind === 'R2'
      ? (list * PRICES.r2.listPerMillion + (head + get) * PRICES.r2.getPerMillion) / 1e6
      : 0;
  // Beside the data, in the same region, nothing leaves the provider.
  const transfer = isAws && hashing === 'service' ? (bytesToRead / GB) * PRICES.aws.egressPerGb : 0;
  const cpuMs =
    (hashing === 'service' ? (bytesToRead / MIB) * CPU_MS_PER_MIB : 0) + (fresh + changed) * CPU_MS_PER_OBJECT;
  const service =
    (rowsWritten * PRICES.rowsWrittenPerMillion +
      Math.ceil(blocks / SHARDS) * PRICES.objectRequestsPerMillion +
      cpuMs * PRICES.cpuPerMillionMs) /
    1e6;
  return {
    requests: { list, head, get },
    bytesToRead,
    rowsWritten,
    dollars: { requests, transfer, service, total: requests + transfer + service },
    pricesKnown: isAws || driver.kind === 'R2',
  };
}
