import { blockHints, type FileTree } from '../collections/file-tree.ts';
import type { OpenCollection } from '../collections/source.ts';
import type { RequestContext } from '../http/context.ts';
import type { FileDependencies } from './dependencies.ts';
import type { OpenBlock } from './file-parts.ts';

/** Opens blocks of a collection that `token` has opened. A signature of another cluster that has expired is renewed once. */
export function blockOpener(
  { requestId, now }: RequestContext,
  deps: Pick<FileDependencies, 'openBlock' | 'trees'>,
  { token, collection, tree }: { token: string; collection: OpenCollection; tree: FileTree },
): OpenBlock {
  const open: OpenBlock = (block, range, signal) => deps.openBlock(block, range, { token, requestId, now, signal });
  return async (block, range, signal) => {
    try {
      return await open(block, range, signal);
    } catch (error) {
      // Its signature by another cluster may have expired, or be another collection's that has the same content.
      if (!block.hints.includes('+R') || signal.aborted) throw error;
      const fresh = await deps.trees.renewed(collection, token, tree).catch(() => null);
      const hints = fresh === null ? block.hints : blockHints(fresh, block.number);
      if (hints === block.hints) throw error;
      return open({ ...block, hints }, range, signal);
    }
  };
}
