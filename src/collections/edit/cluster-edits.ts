import { EMPTY_LOCATOR } from '../../keep/limits.ts';
import type { Edit } from './edits.ts';
import { lineOf } from './new-text.ts';

/** One `replace_files` update of the Arvados API: docs/protocol/collections.md#replace-files. */
export interface ClusterUpdate {
  replace_files: Record<string, string>;
  /** Holds the new files and empty directories under names of its own; '' when there are none. */
  manifest_text: string;
}

/**
 * Edits as one update of a cluster's collection. They must change something: an edit that makes a directory which is
 * there would empty it.
 */
export function clusterUpdate(edits: readonly Edit[]): ClusterUpdate {
  const deleted: [string, string][] = [];
  const made: [string, string][] = [];
  const lines: string[] = [];
  const directory = (path: string) => {
    const name = `d${made.length}`;
    lines.push(`./${name} ${EMPTY_LOCATOR} 0:0:\\056\n`);
    made.push([`/${path}`, `manifest_text/${name}`]);
  };
  for (const edit of edits) {
    if (edit.kind === 'delete') deleted.push([`/${edit.path}`, '']);
    else if (edit.kind === 'mkdir') directory(edit.path);
    else if (edit.kind === 'put') {
      const name = `f${made.length}`;
      lines.push(lineOf('', [{ kind: 'put', path: name, ranges: edit.ranges }]));
      made.push([`/${edit.path}`, `manifest_text/${name}`]);
    } else if (edit.kind === 'move') {
      deleted.push([`/${edit.from}`, '']);
      made.push([`/${edit.to}`, `current/${edit.from}`]);
    } else if (edit.kind === 'copy') {
      if (edit.shallow === true) directory(edit.to);
      else made.push([`/${edit.to}`, `current/${edit.from}`]);
    } else if (edit.kind === 'graft' && 'portableDataHash' in edit.source)
      made.push([`/${edit.to}`, `${edit.source.portableDataHash}/${edit.from}`]);
  }
  // What is made takes the place of what is there.
  return { replace_files: Object.fromEntries([...deleted, ...made]), manifest_text: lines.join('') };
}
