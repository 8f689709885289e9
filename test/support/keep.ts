import { createHash, createHmac, randomFillSync } from 'node:crypto';
import { ROOT_TOKEN, SIGNING_KEY } from './service.ts';

/** Blocks and signed requests for tests, written apart from src/ so that the two check each other. */

export const BLOCK_BYTES = 64 << 20;
/** The server's BLOB_SIGNING_TTL unless a test says otherwise: 336h. */
const TTL_SECONDS = 336 * 3600;
const FAR_EXPIRY_SECONDS = 0x7fffffff;

export function md5(data: string | Uint8Array): string {
  return createHash('md5').update(data).digest('hex');
}

export interface TestBlock {
  data: Uint8Array;
  hash: string;
  /** `hash+size`, unsigned. */
  locator: string;
}

export function blockOf(data: string | Uint8Array): TestBlock {
  const bytes = typeof data === 'string' ? new TextEncoder().encode(data) : data;
  const hash = md5(bytes);
  return { data: bytes, hash, locator: `${hash}+${bytes.length}` };
}

export function randomBlock(size: number): TestBlock {
  return blockOf(randomFillSync(new Uint8Array(size)));
}

export interface SignOptions {
  token?: string;
  key?: string;
  ttlSeconds?: number;
  /** Unix seconds. */
  expiry?: number;
}

/** Appends the permission signature to a locator (docs/protocol/blocks.md#signatures). */
export function sign(locator: string, options: SignOptions = {}): string {
  const { token = ROOT_TOKEN, key = SIGNING_KEY, ttlSeconds = TTL_SECONDS, expiry = FAR_EXPIRY_SECONDS } = options;
  const expiryHex = expiry.toString(16).padStart(8, '0');
  const message = [locator.split('+')[0], token, expiryHex, ttlSeconds.toString(16)].join('@');
  return `${locator}+A${createHmac('sha1', key).update(message).digest('hex')}@${expiryHex}`;
}

/** The locator with one digit of its signature changed, whatever the digit is. */
export function forged(locator: string): string {
  return locator.replace(/(?<=\+(?:A|R\w{5}-))[0-9a-f]/, (digit) => (digit === '0' ? '1' : '0'));
}

export function bearer(token: string): Record<string, string> {
  return { authorization: `Bearer ${token}` };
}

export interface KeepAnswer {
  status: number;
  headers: Headers;
  body: Uint8Array;
  text: string;
}

interface RequestOptions {
  method?: string;
  token?: string | null;
  headers?: Record<string, string>;
  body?: Uint8Array | string;
}

/** One request with the root token (another with `token`, none with null); the whole answer. */
export async function request(url: string, options: RequestOptions = {}): Promise<KeepAnswer> {
  const { method = 'GET', token = ROOT_TOKEN, headers = {}, body } = options;
  const response = await fetch(url, {
    method,
    headers: { ...(token === null ? {} : bearer(token)), ...headers },
    ...(body === undefined ? {} : { body: body as BodyInit }),
  });
  const bytes = new Uint8Array(await response.arrayBuffer());
  return { status: response.status, headers: response.headers, body: bytes, text: new TextDecoder().decode(bytes) };
}

/** PUT; returns the signed locator, throws when it was not stored. */
export async function putBlock(url: string, block: TestBlock, headers: Record<string, string> = {}): Promise<string> {
  const answer = await request(`${url}/${block.hash}`, { method: 'PUT', body: block.data, headers });
  if (answer.status !== 200) throw new Error(`PUT ${block.hash}: ${answer.status} ${answer.text}`);
  return answer.text.trim();
}

/** GET with a signature made here. A body that breaks off throws, as it does for every client. */
export function getBlock(url: string, block: TestBlock, headers: Record<string, string> = {}): Promise<KeepAnswer> {
  return request(`${url}/${sign(block.locator)}`, { headers });
}

/** Runs `work` over `items`, `width` at a time. */
export async function eachOf<T>(items: Iterable<T>, width: number, work: (item: T) => Promise<void>): Promise<void> {
  const queue = items[Symbol.iterator]();
  const lane = async () => {
    for (let next = queue.next(); !next.done; next = queue.next()) await work(next.value);
  };
  await Promise.all(Array.from({ length: width }, lane));
}
