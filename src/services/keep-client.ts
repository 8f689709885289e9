import { formatLocator, type Locator, parseLocator } from '../keep/locator.ts';
import type { CheckBody } from './checked-body.ts';
import { type BytesReceived, type ClientContext, connectTimeoutMs } from './client-context.ts';
import type { FailedWrites } from './failed-writes.ts';
import {
  type AskForBlock,
  askForBlock,
  type BlockFacts,
  type BlockStream,
  openBlock,
  readWholeBlock,
  transferBlock,
} from './get-block.ts';
import type { HintedCluster } from './probe-order.ts';
import { type BlockSource, type PutResult, storeBlock } from './put-block.ts';
import { type RetryPolicy, SERVER_RETRIES, sleep } from './retry.ts';
import type { OnPause } from './rounds.ts';
import type { ServiceSource } from './service-source.ts';
import { createSharedFetch } from './shared-fetch.ts';
import { SDK_TRANSFER_LIMITS, type TransferLimits } from './transfer-limits.ts';
import type { Transport } from './transport.ts';

/** What differs between Workers and Node. */
export interface ClientPlatform {
  transport: Transport;
  checkBody: CheckBody;
  /** Lowercase hex. */
  md5: (bytes: Uint8Array<ArrayBuffer>) => Promise<string>;
  bytesReceived?: BytesReceived;
}

export interface KeepClientOptions {
  services: ServiceSource;
  token: string;
  platform: ClientPlatform;
  /** Where `+K@xxxxx` hints lead; they are skipped without it. */
  hintedCluster?: HintedCluster;
  retry?: RetryPolicy;
  limits?: TransferLimits;
  /** Sent with every request, so that the logs of client and services can be joined. */
  requestId?: string;
  userAgent?: string;
  /** Further headers of every request, such as Via. */
  headers?: Record<string, string>;
  /** Shared by the clients whose writes can be sent only once. */
  failedWrites?: FailedWrites | undefined;
  /** Called before each pause between rounds. */
  onPause?: OnPause | undefined;
  sleep?: typeof sleep;
  now?: () => number;
}

export interface PutOptions {
  /** Copies wanted, at least 1. */
  replicas: number;
  storageClasses?: readonly string[];
  signal?: AbortSignal | undefined;
}

/**
 * A client of Keep services, for Workers and for Node. Errors are ServicesError with every service's answer:
 * not_found only when all services said so.
 */
export interface KeepClient {
  /** The block, or the concatenation of several blocks joined by commas, as a stream that never completes when it is wrong. */
  get(locator: string, options?: { signal?: AbortSignal | undefined }): Promise<BlockStream>;
  /** The same in memory, hash and length checked before anything is given out. */
  getVerified(locator: string, options?: { signal?: AbortSignal | undefined }): Promise<Uint8Array<ArrayBuffer>>;
  head(locator: string, options?: AskForBlock): Promise<BlockFacts>;
  /**
   * Gives one block's body, unchecked, to a receiver that checks it, such as a store. When that throws, the service has
   * failed and the next is asked.
   */
  transfer<Result>(
    locator: string,
    consume: (body: ReadableStream<Uint8Array>, size: number) => Promise<Result>,
    options?: { signal?: AbortSignal | undefined },
  ): Promise<Result>;
  put(source: BlockSource, options: PutOptions): Promise<PutResult>;
}

export function createKeepClient(options: KeepClientOptions): KeepClient {
  const context = contextOf(options);
  const { checkBody } = options.platform;
  const fetches = createSharedFetch();
  const open = (locator: Locator, signal: AbortSignal | undefined) => openBlock(context, locator, signal, checkBody);
  return {
    async get(text, { signal } = {}) {
      const locators = text.split(',').map(parseLocator);
      const [only, ...others] = locators;
      if (only !== undefined && others.length === 0) return open(only, signal);
      return concatenate(locators, (locator) => open(locator, signal));
    },
    async getVerified(text, { signal } = {}) {
      const blocks: Uint8Array<ArrayBuffer>[] = [];
      for (const locator of text.split(',').map(parseLocator)) {
        const fetch = (shared: AbortSignal) => readWholeBlock(context, locator, shared);
        blocks.push(await fetches.get(locator.hash, formatLocator(locator), fetch, signal));
      }
      return joined(blocks);
    },
    head: (text, asked = {}) => askForBlock(context, parseLocator(text), asked),
    transfer: (text, consume, { signal } = {}) => transferBlock(context, parseLocator(text), signal, consume),
    put: (source, { replicas, storageClasses = [], signal }) =>
      storeBlock(context, source, { replicas, storageClasses }, signal),
  };
}

function contextOf(options: KeepClientOptions): ClientContext {
  const { services, token, platform, requestId, userAgent = 'keep-edge' } = options;
  return {
    services,
    token,
    transport: platform.transport,
    md5: platform.md5,
    bytesReceived: platform.bytesReceived,
    failedWrites: options.failedWrites,
    onPause: options.onPause,
    hintedCluster: options.hintedCluster ?? (() => null),
    retry: options.retry ?? SERVER_RETRIES,
    limits: options.limits ?? SDK_TRANSFER_LIMITS,
    sleep: options.sleep ?? sleep,
    now: options.now ?? Date.now,
    headers: (bearer) => ({
      Authorization: `Bearer ${bearer}`,
      'User-Agent': userAgent,
      ...options.headers,
      ...(!requestId ? {} : { 'X-Request-Id': requestId }),
    }),
    connectTimeoutMs,
  };
}

/** Blocks after one another; each is asked for when the one before it is done. */
function concatenate(locators: readonly Locator[], open: (locator: Locator) => Promise<BlockStream>): BlockStream {
  const sizes = locators.map(({ size }) => size);
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
  const pump = async () => {
    for (const locator of locators) {
      const { body } = await open(locator).catch(async (error: unknown) => {
        await writable.abort(error);
        throw error;
      });
      await body.pipeTo(writable, { preventClose: true });
    }
    await writable.close();
  };
  // A failure reaches the reader through the stream.
  pump().catch(() => undefined);
  const total = sizes.every((size) => size !== null) ? sizes.reduce((sum: number, size) => sum + (size ?? 0), 0) : null;
  return { body: readable, size: total };
}

function joined(blocks: Uint8Array<ArrayBuffer>[]): Uint8Array<ArrayBuffer> {
  const [only] = blocks;
  if (only !== undefined && blocks.length === 1) return only;
  const whole = new Uint8Array(blocks.reduce((sum, block) => sum + block.byteLength, 0));
  let offset = 0;
  for (const block of blocks) {
    whole.set(block, offset);
    offset += block.byteLength;
  }
  return whole;
}
