import { KeepError } from '../../keep/errors.ts';
import type { KeepService } from '../../services/keep-service.ts';

const NEWLINE = 10;

/**
 * The block indexes of several services after one another, as one. Each must come with its end
 * marker, which is left out; the caller adds one behind the last.
 * @param path `/index` or `/index/<prefix>`
 * @throws KeepError bad_gateway when a service refuses, fails, or ends before its marker
 */
export async function* joinedIndex(
  services: readonly KeepService[],
  path: string,
  headers: Record<string, string>,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  for (const { url } of services) {
    const response = await fetch(url + path, { headers, signal, redirect: 'manual' }).catch((cause: unknown) => {
      throw new KeepError('bad_gateway', { message: 'a keepstore cannot be reached', cause });
    });
    if (response.status !== 200 || response.body === null) {
      await response.body?.cancel();
      throw new KeepError('bad_gateway', { message: `a keepstore answered ${response.status}` });
    }
    yield* withoutEndMarker(response.body);
  }
}

/** Everything but the last byte, which must be a newline that stands alone on its line. */
async function* withoutEndMarker(body: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  let before = NEWLINE;
  let last: number | null = null;
  for await (const chunk of body) {
    if (chunk.byteLength === 0) continue;
    if (last !== null) yield Uint8Array.of(last);
    if (chunk.byteLength > 1) yield chunk.subarray(0, -1);
    before = chunk.at(-2) ?? last ?? before;
    last = chunk.at(-1) ?? null;
  }
  if (last !== NEWLINE || before !== NEWLINE)
    throw new KeepError('bad_gateway', { message: 'the index of a keepstore broke off' });
}
