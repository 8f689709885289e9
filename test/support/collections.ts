import { api } from './api.ts';
import { putBlock, type TestBlock } from './keep.ts';
import type { TestService } from './service.ts';

/** Collections for tests, made as a client makes them. */

export interface TestCollection {
  uuid: string;
  portable_data_hash: string;
}

export async function createCollection(
  service: TestService,
  manifest: string,
  attributes: Record<string, unknown> = {},
): Promise<TestCollection> {
  const made = await api(service, 'collections', {
    body: { collection: { manifest_text: manifest, ...attributes } },
  });
  if (made.status !== 200) throw new Error(JSON.stringify(made.json));
  return made.json;
}

/** Stores blocks and returns them: `await stored(service, blockOf('foo'), ...)`. */
export async function stored<T extends TestBlock[]>(service: TestService, ...blocks: T): Promise<T> {
  for (const block of blocks) await putBlock(service.url, block);
  return blocks;
}
