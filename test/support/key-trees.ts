import fc from 'fast-check';
import type { FileTree } from '../../src/collections/file-tree.ts';
import { buildFileTree } from '../../src/collections/file-tree-builder.ts';
import { escapeName } from '../../src/keep/manifest/names.ts';

/** Trees whose keys are hard to put in order. */

const EMPTY = 'd41d8cd98f00b204e9800998ecf8427e+0';

/** Names that begin each other, with bytes on both sides of the slash. */
const name = fc
  .array(fc.constantFrom('a', 'b', '-', '.', '0', '!', '~', 'é', '𝄞'), { minLength: 1, maxLength: 4 })
  .map((chars) => chars.join(''))
  .filter((text) => text !== '.' && text !== '..');

export const somePath = fc.array(name, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/'));

/** Sorted by their bytes; no key is also a directory of another. */
export const someKeys = fc.uniqueArray(somePath, { maxLength: 30 }).map((paths) => {
  const files = paths.filter((one) => !paths.some((other) => other.startsWith(`${one}/`)));
  return sortedByBytes(files);
});

export function sortedByBytes(keys: string[]): string[] {
  return keys.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
}

export async function treeOfKeys(files: string[]): Promise<FileTree> {
  const text = files.map((file) => {
    const slash = file.lastIndexOf('/');
    const directory = slash < 0 ? '.' : `./${escapeName(file.slice(0, slash))}`;
    return `${directory} ${EMPTY} 0:0:${escapeName(file.slice(slash + 1))}\n`;
  });
  return (await buildFileTree([new TextEncoder().encode(text.join(''))])).tree;
}
