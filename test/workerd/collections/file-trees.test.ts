import { afterEach, describe, expect, test, vi } from 'vitest';
import { blockHints, type FileTree, filesBelow, nodePath } from '../../../src/collections/file-tree.ts';
import { createFileTrees, type FileTrees } from '../../../src/collections/file-trees.ts';
import { soon } from '../support/soon.ts';

const F = 'acbd18db4cc2f85cedef654fccc4a4d8+3';
const REMOTE = '+Rzzzzz-0123456789abcdef0123456789abcdef01234567@7fffffff';
let serial = 0;

/** A collection that counts how often its manifest is read. */
function collectionOf(text: string, read: () => Promise<void> = async () => undefined) {
  const collection = {
    portableDataHash: `${(++serial).toString(16).padStart(32, '0')}+${text.length}`,
    reads: 0,
    async manifest() {
      collection.reads++;
      await read();
      return [new TextEncoder().encode(text)] as unknown as AsyncIterable<Uint8Array>;
    },
  };
  return collection;
}

const names = async (trees: FileTrees, collection: ReturnType<typeof collectionOf>, token = 'token') => {
  const tree = await trees.treeOf(collection, token);
  return [...filesBelow(tree, 0)].map((node) => nodePath(tree, node));
};

describe('file trees', () => {
  test('are parsed once for everyone, and found by other isolates of the data centre', async () => {
    const collection = collectionOf(`. ${F} 0:3:a 0:1:b\n`);
    const trees = createFileTrees(true);
    expect(await names(trees, collection)).toEqual(['a', 'b']);
    expect(await names(trees, collection, 'another token')).toEqual(['a', 'b']);
    expect(collection.reads).toBe(1);
    const readsOf = async (other: FileTrees) => {
      const before = collection.reads;
      expect(await names(other, collection)).toEqual(['a', 'b']);
      return collection.reads - before;
    };
    // A tree is kept past the answer.
    await soon(async () => ((await readsOf(createFileTrees(true))) === 0 ? true : null));
    expect(await readsOf(createFileTrees(true))).toBe(0);
    expect(await readsOf(createFileTrees(false))).toBe(1);
  });

  test('are parsed once by requests at the same time', async () => {
    const collection = collectionOf(`. ${F} 0:3:a\n`, () => scheduler.wait(60));
    const trees = createFileTrees(false);
    expect(await Promise.all([1, 2, 3].map(() => names(trees, collection)))).toEqual([['a'], ['a'], ['a']]);
    expect(collection.reads).toBe(1);
  });

  test('of large manifests are parsed one after another, small ones meanwhile', async () => {
    const parsed = new Set<string>();
    let most = 0;
    const largeOf = (name: string) => ({
      portableDataHash: `${(++serial).toString(16).padStart(32, '0')}+1`,
      async manifest() {
        async function* text() {
          const directory = 'd'.repeat(65_000);
          for (let i = 0; i < 80; i++) {
            // 4 MiB are behind it, and one chunk more.
            if (i === 66) parsed.add(name);
            most = Math.max(most, parsed.size);
            if (i % 16 === 0) await scheduler.wait(1);
            yield new TextEncoder().encode(`./${i}${directory} ${F} 0:3:${name}\n`);
          }
          parsed.delete(name);
        }
        return text();
      },
    });
    const trees = createFileTrees(false);
    const small = collectionOf(`. ${F} 0:3:a\n`);
    const [, , , files] = await Promise.all([
      ...['x', 'y', 'z'].map((name) => trees.treeOf(largeOf(name), 'token')),
      names(trees, small),
    ]);
    expect(files).toEqual(['a']);
    expect(most).toBe(1);
  });

  test('with blocks of other clusters belong to one token, in one isolate', async () => {
    const collection = collectionOf(`. ${F}${REMOTE} 0:3:a\n`);
    const trees = createFileTrees(true);
    await names(trees, collection, 'one');
    await names(trees, collection, 'one');
    expect(collection.reads).toBe(1);
    await names(trees, collection, 'two');
    expect(collection.reads).toBe(2);
    await names(createFileTrees(true), collection, 'one');
    expect(collection.reads).toBe(3);
  });

  test('that cannot be made fail for each request, and block no other', async () => {
    const collection = collectionOf('rubbish\n');
    const trees = createFileTrees(true);
    await expect(names(trees, collection)).rejects.toMatchObject({ code: 'unreadable_manifest' });
    await expect(names(trees, collection)).rejects.toMatchObject({ code: 'unreadable_manifest' });
    expect(collection.reads).toBe(2);
  });
});

describe('a cache that is out of order', () => {
  afterEach(() => {
    vi.restoreAllMocks();
  });

  test('does not stop trees from being read', async () => {
    vi.spyOn(caches, 'open').mockRejectedValue(new Error('the cache is ill'));
    expect(await names(createFileTrees(true), collectionOf(`. ${F} 0:3:a 0:1:b\n`))).toEqual(['a', 'b']);
  });
});

describe('trees with signatures of other clusters', () => {
  const SECOND = 1000;
  const until = (seconds: number) => REMOTE.replace('7fffffff', seconds.toString(16).padStart(8, '0'));
  const hintsIn = (tree: FileTree) => blockHints(tree, 0);

  afterEach(() => {
    vi.useRealTimers();
  });

  test('live until a minute before the first of them expires', async () => {
    vi.useFakeTimers({ toFake: ['Date'], now: 1_000_000 * SECOND });
    const trees = createFileTrees(false);
    const other = F.replace('+3', '+4');
    const collection = collectionOf(`. ${F}${until(1_000_300)} ${other}${until(1_000_200)} ${F} 0:3:a\n`);
    await names(trees, collection);
    vi.setSystemTime(1_000_139 * SECOND);
    await names(trees, collection);
    expect(collection.reads).toBe(1);
    vi.setSystemTime(1_000_140 * SECOND);
    await names(trees, collection);
    expect(collection.reads).toBe(2);
  });

  test('belong to one collection: another of the same content has its own', async () => {
    const trees = createFileTrees(false);
    const first = { ...collectionOf(`. ${F}${until(0x7ffffff0)} 0:3:a\n`), uuid: 'first' };
    const second = {
      ...collectionOf(`. ${F}${REMOTE} 0:3:a\n`),
      uuid: 'second',
      portableDataHash: first.portableDataHash,
    };
    expect(hintsIn(await trees.treeOf(first, 't'))).toBe(until(0x7ffffff0));
    expect(hintsIn(await trees.treeOf(second, 't'))).toBe(REMOTE);
  });

  test('are renewed once when a read fails, and all that read the old one get the same new one', async () => {
    const trees = createFileTrees(false);
    const collection = collectionOf(`. ${F}${REMOTE} 0:3:a\n`);
    const stale = await trees.treeOf(collection, 't');
    const fresh = await trees.renewed(collection, 't', stale);
    expect(fresh).not.toBeNull();
    expect(fresh).not.toBe(stale);
    expect(await trees.renewed(collection, 't', stale)).toBe(fresh);
    expect(await trees.renewed(collection, 't', fresh!)).toBeNull();
    expect(collection.reads).toBe(2);
  });
});
