import { nameBytes } from '../../keep/manifest/names.ts';
import type { Transport } from '../../services/transport.ts';
import { rangeHeader } from '../../streams/byte-range.ts';

/** A part of a file: `length` bytes from `offset`. */
export interface FileRange {
  /** In the collection. */
  path: string;
  offset: number;
  length: number;
}

/** The bytes, which the service has checked against their block; null when it does not give them this way. */
export type ReadRange = (range: FileRange, signal: AbortSignal) => Promise<Uint8Array<ArrayBuffer> | null>;

/** A block below this size is always fetched whole. */
const MIN_BLOCK_BYTES = 1 << 20;
/** A block is fetched whole when more of it is used than this share. */
const SPARSE_SHARE = 1 / 8;
const TIMEOUT_MS = 60_000;
const CONNECT_TIMEOUT_MS = 20_000;

/** Whether so little of a block is used that its ranges cost less than the block. */
export function isSparse(usedBytes: number, blockSize: number): boolean {
  return blockSize >= MIN_BLOCK_BYTES && usedBytes <= blockSize * SPARSE_SHARE;
}

/**
 * Reads ranges from the cluster's service for files (keep-web). By portable data hash: what the collection becomes
 * meanwhile does not matter.
 * @param options.service its address, `*` standing for the collection; asked for when it is first used
 */
export function createRangeReader({
  transport,
  token,
  service,
  portableDataHash,
}: {
  transport: Transport;
  token: string;
  service: () => Promise<string | null>;
  portableDataHash: string;
}): ReadRange {
  const id = portableDataHash.replace('+', '-');
  let isUseless = !/^[0-9a-f]{32}-\d+$/.test(id);
  return async ({ path, offset, length }, signal) => {
    if (isUseless) return null;
    try {
      const address = await service();
      if (address === null) {
        isUseless = true;
        return null;
      }
      const base = address.includes('*') ? address.replace('*', id) : `${address}/c=${id}`;
      const response = await transport.send({
        method: 'GET',
        // Without it, a service may refuse to show a file below an address that collections share.
        url: `${base}/${encodePath(path)}?disposition=attachment`,
        headers: {
          Authorization: `Bearer ${token}`,
          Range: rangeHeader({ offset, length }),
          'Accept-Encoding': 'identity',
        },
        connectTimeoutMs: CONNECT_TIMEOUT_MS,
        signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]),
      });
      const range = response.headers.get('Content-Range') ?? '';
      const isAsked = response.status === 206 && range.startsWith(`bytes ${offset}-${offset + length - 1}/`);
      const bytes = isAsked && response.body !== null ? await readExactly(response.body, length) : null;
      if (bytes === null) {
        isUseless = true;
        await response.body?.cancel().catch(() => undefined);
      }
      return bytes;
    } catch {
      // The block is fetched instead: with retries, and from other services.
      signal.throwIfAborted();
      return null;
    }
  };
}

async function readExactly(body: ReadableStream<Uint8Array>, length: number): Promise<Uint8Array<ArrayBuffer> | null> {
  const bytes = new Uint8Array(length);
  let at = 0;
  for await (const chunk of body) {
    if (at + chunk.byteLength > length) return null;
    bytes.set(chunk, at);
    at += chunk.byteLength;
  }
  return at === length ? bytes : null;
}

const UNRESERVED = /[A-Za-z0-9._~-]/;

function encodePath(path: string): string {
  return path
    .split('/')
    .map((name) =>
      Array.from(nameBytes(name), (byte) => {
        const char = String.fromCharCode(byte);
        return UNRESERVED.test(char) ? char : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
      }).join(''),
    )
    .join('/');
}
