import { locatorsOf } from './upload-manifest.ts';

/** Manifests are looked through up to this much text. */
const MAX_CHARS = 32 * 1024 * 1024;

/**
 * Signed locators of blocks in other collections that the visitor may read: those beside the target, their own, and those
 * with files of these names. The service signs them for who may read the collection, so a hash alone opens nothing.
 */
export async function heldElsewhere(
  uuid: string,
  names: readonly string[],
  signal: AbortSignal,
): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  const query = names.map((name) => `name=${encodeURIComponent(name.toWellFormed())}`).join('&');
  const { uuids = [] } = await json<{ uuids?: string[] }>(`/workspace/upload/${uuid}/others?${query}`, signal);
  let chars = 0;
  for (const other of uuids) {
    if (chars > MAX_CHARS) break;
    const path = `/workspace/upload/${other}/manifest`;
    const { manifest_text = '' } = await json<{ manifest_text?: string }>(path, signal);
    chars += manifest_text.length;
    for (const [name, locator] of locatorsOf(manifest_text)) found.set(name, locator);
  }
  return found;
}

/** {} for what cannot be had: everything is sent then. */
async function json<T>(path: string, signal: AbortSignal): Promise<Partial<T>> {
  const answer = await fetch(path, { signal }).catch((error: unknown) => {
    if (error instanceof DOMException) throw error;
    return null;
  });
  return answer?.ok ? ((await answer.json()) as T) : {};
}
