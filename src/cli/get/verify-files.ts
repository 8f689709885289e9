import { closeSync, lstatSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import type { KeepClient } from '../../services/keep-client.ts';
import { fsPath } from '../fs-path.ts';
import { checkBlocks } from './check-blocks.ts';
import { partName } from './destination.ts';
import type { BlockUse, GetPlan } from './fetch-plan.ts';
import { statesOf } from './targets.ts';

/** Compares files on disk with a collection. @param own name of the private directory of unfinished files. @returns the files that differ, and why */
export async function verify(
  { root, targets, blocks }: GetPlan,
  keep: KeepClient,
  own: string,
): Promise<{ path: string; what: string }[]> {
  const begun = (name: string) => lstatSync(fsPath(join(root, own, partName(name))), { throwIfNoEntry: false }) ?? null;
  const states = statesOf(targets, begun);
  const problems = new Map<number, string>();
  for (const [index, state] of states.entries()) {
    if (state === 'absent') problems.set(index, 'missing');
    if (state === 'begun') problems.set(index, 'not complete: get goes on with it');
    if (state === 'other') problems.set(index, 'of another size');
  }
  const doubtful: BlockUse[] = [];
  const standing = blocks
    .map((block) => ({ ...block, chunks: block.chunks.filter(({ target }) => states[target] === 'there') }))
    .filter(({ chunks }) => chunks.length > 0);
  await checkBlocks(
    standing,
    (index) => targets[index]?.target ?? null,
    (block, verdict) => {
      if (verdict === 'different' && block.chunks.length === 1)
        problems.set(block.chunks[0]?.target ?? 0, 'of other contents');
      // The block is in several files: its bytes tell which one differs.
      else if (verdict !== 'present') doubtful.push(block);
    },
  );
  for (const { locator, chunks } of doubtful) {
    const bytes = await keep.getVerified(locator);
    for (const { target, from, length, offset } of chunks) {
      const file = targets[target]?.target ?? '';
      if (!holds(file, offset, bytes.subarray(from, from + length))) problems.set(target, 'of other contents');
    }
  }
  return [...problems].sort(([a], [b]) => a - b).map(([index, what]) => ({ path: targets[index]?.target ?? '', what }));
}

function holds(file: string, offset: number, bytes: Uint8Array): boolean {
  const descriptor = openSync(fsPath(file), 'r');
  try {
    const found = Buffer.alloc(bytes.byteLength);
    for (let done = 0; done < found.byteLength; ) {
      const count = readSync(descriptor, found, done, found.byteLength - done, offset + done);
      if (count === 0) return false;
      done += count;
    }
    return found.equals(bytes);
  } finally {
    closeSync(descriptor);
  }
}
