import type { Chunks } from '../../keep/manifest/line-tokens.ts';
import { pathText } from '../../keep/manifest/places.ts';
import { findNode, isDirectory } from '../file-tree.ts';
import { buildFileTree } from '../file-tree-builder.ts';
import type { Edit } from './edits.ts';
import { isWithin, parentOf } from './path-map.ts';

/**
 * Edits with all that they prune named: a cluster keeps directories that become empty, S3 has none. Which of them a client
 * has made is not known there: all go.
 * @param current the text that the edits change; read only for edits that prune
 */
export async function withPruned(edits: Edit[], current: () => Promise<Chunks>): Promise<Edit[]> {
  const pruning = edits.filter((edit) => edit.kind === 'unmark' || (edit.kind === 'delete' && edit.prunes === true));
  if (pruning.every((edit) => !('path' in edit) || (edit.kind === 'delete' && parentOf(edit.path) === '')))
    return edits.filter(({ kind }) => kind !== 'unmark');
  const removed = new Map<string, Set<string>>();
  const gone: string[] = [];
  const written = edits.flatMap((edit) =>
    'to' in edit ? [edit.to] : edit.kind === 'put' || edit.kind === 'mkdir' ? [edit.path] : [],
  );
  const tops = new Set(pruning.map((edit) => ('path' in edit ? topOf(edit.path) : '')));
  const { tree } = await buildFileTree(await current(), (file) => tops.has(topOf(pathText(file))));
  const remove = (path: string) => {
    gone.push(path);
    const parent = parentOf(path);
    const node = parent === '' ? null : findNode(tree, parent);
    if (node === null) return;
    const names = (removed.get(parent) ?? new Set()).add(path);
    removed.set(parent, names);
    if (names.size === tree.counts[node] && !written.some((one) => isWithin(one, parent))) remove(parent);
  };
  for (const edit of pruning) {
    if (!('path' in edit)) continue;
    const node = findNode(tree, edit.path);
    if (node === null) continue;
    const isEmpty = isDirectory(tree, node) && (tree.counts[node] ?? 0) === 0;
    if (edit.kind === 'delete' ? !isDirectory(tree, node) : isEmpty) remove(edit.path);
  }
  const all = new Set(gone);
  // One update names no path within another.
  const outermost = [...all].filter((path) => !ancestorsOf(path).some((above) => all.has(above)));
  return [
    ...edits.filter((edit) => !pruning.includes(edit)),
    ...outermost.map((path): Edit => ({ kind: 'delete', path })),
  ];
}

function topOf(path: string): string {
  return path.split('/', 1)[0] ?? '';
}

function ancestorsOf(path: string): string[] {
  const parent = parentOf(path);
  return parent === '' ? [] : [parent, ...ancestorsOf(parent)];
}
