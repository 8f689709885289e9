import { startOfText } from '../streams/bounded-text.ts';
import { mayPass, type RetryPolicy } from './retry.ts';
import type { ServiceAnswer } from './services-error.ts';
import { type TransferLimits, type TransferWatch, watchTransfer } from './transfer-limits.ts';
import type { Transport, TransportRequest } from './transport.ts';

export interface Exchange {
  response: Response;
  /** Keeps watching while the body is read: tell it of progress, and stop it. */
  watch: TransferWatch;
}

const MAX_REASON_BYTES = 1024;
const MAX_REASON_CHARS = 160;
const MAX_LOCATOR_BYTES = 4096;

/**
 * Sends one request that is broken off when it stalls.
 * @param onWatch gets the watch before anything is sent, to report the upload's progress to it
 * @throws whatever the transport throws, or the signal's reason */
export async function exchange(
  transport: Transport,
  request: Omit<TransportRequest, 'signal'>,
  limits: TransferLimits,
  signal: AbortSignal | undefined,
  onWatch?: (watch: TransferWatch) => void,
): Promise<Exchange> {
  const stalled = new AbortController();
  const watch = watchTransfer(limits, () =>
    stalled.abort(new Error(`slower than ${limits.bytesPerSecond} bytes/s for ${limits.windowMs / 1000} s`)),
  );
  onWatch?.(watch);
  try {
    const response = await transport.send({
      ...request,
      signal: signal === undefined ? stalled.signal : AbortSignal.any([signal, stalled.signal]),
      onSent: (bytes) => {
        watch.progress(bytes);
        request.onSent?.(bytes);
      },
    });
    return { response, watch };
  } catch (error) {
    watch.stop();
    throw error;
  }
}

/** The answer of a service that refused; ends the exchange. */
export async function refusal(
  url: string,
  { response, watch }: Exchange,
  retry: Pick<RetryPolicy, 'alsoRetried'>,
): Promise<ServiceAnswer> {
  const { status } = response;
  const text = await startOfText(response, MAX_REASON_BYTES).catch(() => '');
  watch.stop();
  const firstLine = text.trim().split('\n')[0] ?? '';
  return { url, status, reason: withoutSecrets(firstLine).slice(0, MAX_REASON_CHARS), mayPass: mayPass(status, retry) };
}

/** For a service that did not answer, or not usably. */
export function failure(url: string, error: unknown): ServiceAnswer {
  const reason = error instanceof Error ? error.message : String(error);
  return { url, status: null, reason: withoutSecrets(reason).slice(0, MAX_REASON_CHARS), mayPass: true };
}

/** The locator in the answer to a write. */
export async function readLocator({ response, watch }: Exchange): Promise<string> {
  try {
    return (await startOfText(response, MAX_LOCATOR_BYTES)).trim();
  } finally {
    watch.stop();
  }
}

/** Servers quote locators, and sometimes whole requests, in their errors. */
function withoutSecrets(text: string): string {
  return text.replaceAll(/\+[AR][^\s+"]*/g, '').replaceAll(/v2\/[^\s"]*|\b[0-9a-z]{41,}\b/g, '(token)');
}
