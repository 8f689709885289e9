import { KeepError } from '../keep/errors.ts';
import { EMPTY_HASH, MAX_BLOCK_BYTES } from '../keep/limits.ts';
import { formatLocator, type Locator } from '../keep/locator.ts';
import { encodeUriName } from '../keep/manifest/uri-names.ts';
import { type CheckBody, type CheckedBody, readBlock } from './checked-body.ts';
import type { ClientContext } from './client-context.ts';
import { type Exchange, exchange, failure, refusal } from './exchange.ts';
import { readOrder, type Target } from './probe-order.ts';
import { inRounds, type Round } from './rounds.ts';
import { readError } from './services-error.ts';
import { followBytes, limitsBySize, type TransferLimits } from './transfer-limits.ts';

export interface BlockStream extends CheckedBody {
  /** Bytes; null when neither the locator nor the service tells. */
  size: number | null;
}

export interface BlockFacts {
  size: number | null;
  /** X-Keep-Locator: the block's name here, after its copy was made. */
  locator: string | null;
}

/** A HEAD sends no bytes while the server reads, or even copies, a whole block. */
const HEAD_LIMITS: TransferLimits = { bytesPerSecond: 1, windowMs: 300_000 };

/** The block as a stream that never completes when it is wrong; the next service is asked as long as no byte was given out. */
export function openBlock(
  context: ClientContext,
  locator: Locator,
  signal: AbortSignal | undefined,
  checkBody: CheckBody,
): Promise<BlockStream> {
  if (isEmpty(locator)) return Promise.resolve({ body: new Blob([]).stream(), size: 0 });
  return fromServices(context, locator, signal, 'GET', async ({ response, watch }) => {
    const size = locator.size ?? contentLength(response);
    const body = response.body ?? new Blob([]).stream();
    return { ...(await checkBody(body, { hash: locator.hash, size }, watch)), size };
  });
}

/** The whole block in memory, hash and length checked; a service that sends something else has failed, the next is asked. */
export function readWholeBlock(
  context: ClientContext,
  locator: Locator,
  signal: AbortSignal | undefined,
): Promise<Uint8Array<ArrayBuffer>> {
  if (isEmpty(locator)) return Promise.resolve(new Uint8Array(0));
  return fromServices(context, locator, signal, 'GET', async ({ response, watch }) => {
    const block = await readBlock(
      response.body ?? new Blob([]).stream(),
      locator.size ?? contentLength(response),
      watch,
    );
    if ((await context.md5(block)) !== locator.hash) throw new KeepError('corrupt', { message: 'checksum mismatch' });
    return block;
  });
}

export interface AskForBlock {
  signal?: AbortSignal | undefined;
  /** Ask for a copy on the cluster that is asked, and its locator. */
  localSignature?: boolean | undefined;
  /** Ask services about the empty block too. */
  evenIfEmpty?: boolean | undefined;
}

/** The empty block is known without asking; one of another size does not exist. */
function isEmpty({ hash, size }: Locator): boolean {
  return hash === EMPTY_HASH && (size ?? 0) === 0;
}

/** Asks whether the block can be read, and with `localSignature` for a copy of it on the cluster that is asked. */
export function askForBlock(
  context: ClientContext,
  locator: Locator,
  { signal, localSignature = false, evenIfEmpty = localSignature }: AskForBlock,
): Promise<BlockFacts> {
  if (isEmpty(locator) && !evenIfEmpty) return Promise.resolve({ size: 0, locator: null });
  const headers: Record<string, string> = localSignature
    ? { 'X-Keep-Signature': `local, time=${new Date(context.now()).toISOString()}` }
    : {};
  return fromServices(
    context,
    locator,
    signal,
    'HEAD',
    async ({ response, watch }) => {
      watch.stop();
      return {
        size: locator.size ?? contentLength(response),
        locator: response.headers.get('X-Keep-Locator')?.trim() ?? null,
      };
    },
    { headers, limits: HEAD_LIMITS },
  );
}

/**
 * Gives the body as it comes to `consume`, for receivers that check it themselves, such as a store: also its length,
 * which may be another than the announced one. When `consume` throws, that service has failed and the next is asked.
 */
export function transferBlock<Result>(
  context: ClientContext,
  locator: Locator,
  signal: AbortSignal | undefined,
  consume: (body: ReadableStream<Uint8Array>, size: number) => Promise<Result>,
): Promise<Result> {
  const use = async ({ response, watch }: Exchange) => {
    const size = contentLength(response) ?? locator.size;
    const received = response.body === null ? null : context.bytesReceived?.(response.body);
    const unfollow = received ? followBytes(watch, received) : () => undefined;
    try {
      // A store must know the length before the body.
      if (size === null) throw new KeepError('corrupt', { message: 'announced no length' });
      return await consume(response.body ?? new Blob([]).stream(), size);
    } finally {
      unfollow();
      watch.stop();
    }
  };
  const limits = context.bytesReceived === undefined ? limitsBySize(context.limits, locator.size) : context.limits;
  return fromServices(context, locator, signal, 'GET', use, { limits });
}

interface AskOptions {
  headers?: Record<string, string>;
  limits?: TransferLimits;
}

/** Goes through the services until `use` succeeds with an answer. */
function fromServices<Result>(
  context: ClientContext,
  locator: Locator,
  signal: AbortSignal | undefined,
  method: 'GET' | 'HEAD',
  use: (exchange: Exchange) => Promise<Result>,
  { headers = {}, limits = context.limits }: AskOptions = {},
): Promise<Result> {
  const path = encodedLocator(locator);
  const ask = async (target: Target, round: Round<Target>): Promise<Result | null> => {
    try {
      const answer = await exchange(
        context.transport,
        {
          method,
          url: `${target.url}/${path}`,
          headers: {
            ...context.headers(target.token),
            Accept: 'application/octet-stream',
            'Accept-Encoding': 'identity',
            ...headers,
          },
          connectTimeoutMs: context.connectTimeoutMs(round),
        },
        limits,
        signal,
      );
      if (!answer.response.ok) {
        round.note(await refusal(target.url, answer, context.retry));
        return null;
      }
      checkLength(answer, locator);
      return await use(answer);
    } catch (error) {
      signal?.throwIfAborted();
      round.note(failure(target.url, error));
      return null;
    }
  };
  return inRounds(
    { ...context, signal },
    {
      targets: (services) => readOrder(locator, services, context.token, context.hintedCluster),
      async run(round) {
        for (const target of round.targets) {
          const result = await ask(target, round);
          if (result !== null) return result;
        }
        return null;
      },
      fail: readError,
    },
  );
}

/** As a path: hints may hold anything, also what a URL parser takes for another path or a query. */
function encodedLocator(locator: Locator): string {
  const hints = formatLocator(locator).split('+');
  return hints.map((hint) => encodeUriName(hint).replaceAll('%40', '@')).join('+');
}

/**
 * A body of another length than the block's is not even begun, nor one that no block can have: locators and servers may
 * claim any.
 * @throws KeepError corrupt
 */
function checkLength({ response, watch }: Exchange, { size }: Locator): void {
  const length = contentLength(response);
  const isOther = size !== null && length !== null && length !== size;
  if (!isOther && (length ?? size ?? 0) <= MAX_BLOCK_BYTES) return;
  watch.stop();
  void response.body?.cancel().catch(() => undefined);
  const message = isOther ? `announced ${length} bytes instead of ${size}` : 'announced more than a block can have';
  throw new KeepError('corrupt', { message });
}

function contentLength({ headers }: Response): number | null {
  const text = headers.get('Content-Length');
  return text === null || !/^\d+$/.test(text) ? null : Number(text);
}
