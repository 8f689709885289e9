/**
 * Which blocks of an upload the service has acknowledged, by what they are made of: kept in this browser, so that an
 * upload goes on after a reload when the same files are chosen again.
 */
export interface KeptBlocks {
  known: Map<string, string>;
  keep(key: string, locator: string): void;
  forget(): void;
}

const NAME = 'keep-edge-uploads';
const STORE = 'blocks';

/** @param target collection that is uploaded to */
export async function openKeptBlocks(target: string): Promise<KeptBlocks> {
  const database = await new Promise<IDBDatabase | null>((resolve) => {
    const request = indexedDB.open(NAME, 1);
    request.onupgradeneeded = () => request.result.createObjectStore(STORE);
    request.onsuccess = () => resolve(request.result);
    // Private windows may have none: the upload then starts over after a reload.
    request.onerror = () => resolve(null);
  });
  const range = IDBKeyRange.bound(`${target} `, `${target}!`);
  const known = new Map<string, string>();
  if (database !== null)
    await new Promise<void>((resolve) => {
      const cursor = database.transaction(STORE).objectStore(STORE).openCursor(range);
      cursor.onerror = () => resolve();
      cursor.onsuccess = () => {
        const at = cursor.result;
        if (at === null) return resolve();
        known.set(String(at.key).slice(target.length + 1), String(at.value));
        at.continue();
      };
    });
  return {
    known,
    keep(key, locator) {
      known.set(key, locator);
      database?.transaction(STORE, 'readwrite').objectStore(STORE).put(locator, `${target} ${key}`);
    },
    forget() {
      known.clear();
      database?.transaction(STORE, 'readwrite').objectStore(STORE).delete(range);
    },
  };
}

/** Names what a block is made of: paths, sizes and times of the files, and the ranges. */
export function blockKey(parts: readonly string[]): string {
  const text = parts.join('\n');
  return `${digest(text, 0)}${digest(text, 0x9e3779b9)}${text.length}`;
}

/** 53 bits; not for secrets. */
function digest(text: string, seed: number): string {
  let a = 0xdeadbeef ^ seed;
  let b = 0x41c6ce57 ^ seed;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    a = Math.imul(a ^ code, 2654435761);
    b = Math.imul(b ^ code, 1597334677);
  }
  a = Math.imul(a ^ (a >>> 16), 2246822507) ^ Math.imul(b ^ (b >>> 13), 3266489909);
  b = Math.imul(b ^ (b >>> 16), 2246822507) ^ Math.imul(a ^ (a >>> 13), 3266489909);
  return (4294967296 * (2097151 & b) + (a >>> 0)).toString(36);
}
