import { putBlock, request, type TestBlock } from './keep.ts';
import { ROOT_TOKEN } from './service.ts';

/** Collections for tests, made as a client makes them. */

export interface TestCollection {
  uuid: string;
  portable_data_hash: string;
}

/** Any API request with JSON in and out; throws what is not 200. */
export async function api(
  url: string,
  method: string,
  path: string,
  body?: unknown,
  token: string = ROOT_TOKEN,
): Promise<Record<string, never>> {
  const answer = await request(`${url}/arvados/v1/${path}`, {
    method,
    token,
    headers: { 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  if (answer.status !== 200) throw new Error(`${method} ${path}: ${answer.status} ${answer.text}`);
  return JSON.parse(answer.text) as Record<string, never>;
}

export async function createCollection(
  url: string,
  manifest: string,
  attributes: Record<string, unknown> = {},
  token: string = ROOT_TOKEN,
): Promise<TestCollection> {
  const collection = { manifest_text: manifest, ...attributes };
  return (await api(url, 'POST', 'collections', { collection }, token)) as unknown as TestCollection;
}

/** Stores blocks and returns them: `await stored(url, blockOf('foo'), ...)`. */
export async function stored<T extends TestBlock[]>(url: string, ...blocks: T): Promise<T> {
  for (const block of blocks) await putBlock(url, block);
  return blocks;
}
