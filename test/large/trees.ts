import { randomFillSync } from 'node:crypto';
import { mkdir, open, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { BLOCK_BYTES } from '../support/keep.ts';

const FILES_IN_A_DIRECTORY = 1000;

export async function makeTinyFiles(root: string, count: number): Promise<void> {
  for (let number = 0; number < count; number++) {
    const directory = join(root, `${Math.floor(number / FILES_IN_A_DIRECTORY)}`);
    if (number % FILES_IN_A_DIRECTORY === 0) await mkdir(directory, { recursive: true });
    await writeFile(join(directory, `file ${number}`), `${number} `.repeat(number % 30));
  }
}

export async function makeRandomFile(path: string, blocks: number): Promise<void> {
  const file = await open(path, 'w');
  const bytes = new Uint8Array(BLOCK_BYTES);
  for (let block = 0; block < blocks; block++) await file.write(randomFillSync(bytes));
  await file.close();
}

/** Takes no room on the disk. @param distinct puts a few bytes into each block, so that no two are the same */
export async function makeSparseFile(path: string, blocks: number, { distinct }: { distinct: boolean }): Promise<void> {
  await writeFile(path, '');
  await truncate(path, blocks * BLOCK_BYTES);
  if (!distinct) return;
  const file = await open(path, 'r+');
  for (let block = 0; block < blocks; block++)
    await file.write(randomFillSync(new Uint8Array(16)), 0, 16, block * BLOCK_BYTES);
  await file.close();
}
