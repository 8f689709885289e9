import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Names of files and directories that some program somewhere gets wrong. */
export const ODD_NAMES = [
  'with space',
  ' led and followed by spaces ',
  'new\nline',
  'tab\there',
  'ünïcödé ⛵',
  'u\u0308 decomposed',
  '日本語',
  '😀',
  'Ａ full width',
  'back\\slash',
  'ends with a backslash\\',
  'colon:colon',
  '0:0:fake',
  '...',
  '-rf',
  '\\040',
  '"quoted"',
  "it's",
  '100%',
  '*?[glob]',
  '\x7f',
  'x'.repeat(255),
];

/** Directories of these names, with a file of the same name and an empty one in each; empty and deep directories. */
export async function makeOddTree(root: string): Promise<void> {
  for (const name of ODD_NAMES) {
    await mkdir(join(root, name), { recursive: true });
    await writeFile(join(root, name, name), name);
    await writeFile(join(root, name, `${name.slice(0, 100)}, empty`), '');
  }
  await mkdir(join(root, 'empty/nested/deep'), { recursive: true });
  const deep = join(root, ...new Array<string>(60).fill('deep'));
  await mkdir(deep, { recursive: true });
  await writeFile(join(deep, 'down here'), 'found');
}
