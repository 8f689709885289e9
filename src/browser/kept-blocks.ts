/**
 * Which blocks the service has acknowledged, kept in this browser: by what they are made of, so that an upload goes on
 * after a reload when the same files are chosen again; and by hash, so that a later upload leaves out what this visitor
 * stored before. A signature is one token's, and ends: the service is asked about each before it is used.
 */
export interface KeptBlocks {
  known: Map<string, string>;
  /** @param key of `blockKey` */
  keep(key: string, locator: string): void;
  /** A locator of an earlier upload that has not ended. @param name `hash+size` */
  earlier(name: string): Promise<string | undefined>;
  /** The upload to this target is complete. */
  forget(): void;
}

const NAME = 'keep-edge-uploads';
const BLOCKS = 'blocks';
const LOCATORS = 'locators';
/** Of more, all are dropped: they only spare sending. */
const MOST_LOCATORS = 50_000;

/** @param target collection that is uploaded to */
export async function openKeptBlocks(target: string): Promise<KeptBlocks> {
  const database = await new Promise<IDBDatabase | null>((resolve) => {
    const request = indexedDB.open(NAME, 2);
    request.onupgradeneeded = () => {
      for (const store of [BLOCKS, LOCATORS])
        if (!request.result.objectStoreNames.contains(store)) request.result.createObjectStore(store);
    };
    request.onsuccess = () => resolve(request.result);
    // Private windows may have none: the upload then starts over after a reload.
    request.onerror = () => resolve(null);
    request.onblocked = () => resolve(null);
  });
  const stores = (names: string[]) => database?.transaction(names, 'readwrite');
  const range = IDBKeyRange.bound(`${target} `, `${target}!`);
  const known = new Map<string, string>();
  const opened = stores([BLOCKS, LOCATORS]);
  if (opened !== undefined)
    await new Promise<void>((resolve) => {
      opened.oncomplete = () => resolve();
      opened.onabort = () => resolve();
      const count = opened.objectStore(LOCATORS).count();
      count.onsuccess = () => {
        if (count.result > MOST_LOCATORS) opened.objectStore(LOCATORS).clear();
      };
      const cursor = opened.objectStore(BLOCKS).openCursor(range);
      cursor.onsuccess = () => {
        const at = cursor.result;
        if (at === null) return;
        known.set(String(at.key).slice(target.length + 1), String(at.value));
        at.continue();
      };
    });
  return {
    known,
    keep(key, locator) {
      known.set(key, locator);
      const change = stores([BLOCKS, LOCATORS]);
      change?.objectStore(BLOCKS).put(locator, `${target} ${key}`);
      change?.objectStore(LOCATORS).put(locator, nameOf(locator));
    },
    earlier: (name) =>
      new Promise((resolve) => {
        const get = database?.transaction(LOCATORS).objectStore(LOCATORS).get(name);
        if (get === undefined) return resolve(undefined);
        get.onerror = () => resolve(undefined);
        get.onsuccess = () => {
          const locator = get.result === undefined ? '' : String(get.result);
          resolve(endOf(locator) > Date.now() / 1000 ? locator : undefined);
        };
      }),
    forget() {
      known.clear();
      stores([BLOCKS])?.objectStore(BLOCKS).delete(range);
    },
  };
}

/** `hash+size` of a locator. */
function nameOf(locator: string): string {
  return locator.split('+').slice(0, 2).join('+');
}

/** Unix seconds of a signature's end; 0 without one. */
function endOf(locator: string): number {
  return Number.parseInt(/\+A[0-9a-f]+@([0-9a-f]+)/.exec(locator)?.[1] ?? '0', 16);
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
