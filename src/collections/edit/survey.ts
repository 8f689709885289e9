import { KeepError } from '../../keep/errors.ts';
import type { Chunks } from '../../keep/manifest/line-tokens.ts';
import { ManifestParser } from '../../keep/manifest/parse.ts';
import { createPlaceFinder } from '../../keep/manifest/places.ts';
import { READ_RULES } from '../../keep/manifest/rules.ts';
import type { NodeKind } from './edits.ts';
import { nodeFor, nodesTo, type Tree } from './path-map.ts';

/** Parsing goes on in portions of this size, with a turn for others between them. */
const TURN_BYTES = 1_000_000;

/** What is at some paths. */
export interface Survey {
  /** 'absent' for a path that was not asked for. The root is always a directory. */
  kindOf(path: string): NodeKind;
  /** The file that stands in the way to a path that was asked for, if there is one. */
  fileAbove(path: string): string | null;
}

/** On the way to all paths that are asked for together: each takes memory, also in what is made of them later. */
const MAX_DIRECTORIES = 100_000;

/**
 * What is at each of these paths, in one pass over a text.
 * @throws KeepError unreadable_manifest; bad_request for paths over very many directories
 */
export async function surveyPaths(text: Chunks, paths: readonly string[]): Promise<Survey> {
  const root: Wanted = { children: null, kind: 'directory' };
  let made = 0;
  const create = (): Wanted => {
    if (++made > paths.length + MAX_DIRECTORIES)
      throw new KeepError('bad_request', {
        message: `the paths of a change may lie in ${MAX_DIRECTORIES} directories in all`,
      });
    return { children: null, kind: 'absent' };
  };
  const nodes = new Map(paths.map((path) => [path, nodeFor(root, path, create)]));
  const directory = createPlaceFinder<{ node: Wanted | null }>({ node: root }, ({ node }, { name }) => {
    const next = node?.children?.get(name) ?? null;
    if (next !== null) next.kind = 'directory';
    return { node: next };
  });
  await parseInTurns(text, {
    stream: (place) => void directory(place),
    segment({ directory: place, name }) {
      const node = directory(place).node?.children?.get(name);
      if (node !== undefined && node.kind === 'absent') node.kind = 'file';
    },
    directory: (place) => void directory(place),
  });
  return {
    kindOf: (path) => nodes.get(path)?.kind ?? 'absent',
    fileAbove(path) {
      let level = 0;
      for (const { kind } of nodesTo(root, path)) {
        if (kind === 'file') {
          const found = path.split('/').slice(0, level).join('/');
          return found === path ? null : found;
        }
        level++;
      }
      return null;
    },
  };
}

/** Paths that are asked for, as a tree of their components. */
interface Wanted extends Tree<Wanted> {
  kind: NodeKind;
}

type Handler = ConstructorParameters<typeof ManifestParser>[0];

/** Parses by the rules for reading, and lets other requests have a turn every megabyte. */
export async function parseInTurns(text: Chunks, handler: Handler): Promise<void> {
  const parser = new ManifestParser(handler, READ_RULES);
  let bytes = 0;
  for await (const chunk of text) {
    for (let from = 0; from < chunk.byteLength; from += TURN_BYTES) {
      parser.push(chunk.subarray(from, from + TURN_BYTES));
      bytes += Math.min(TURN_BYTES, chunk.byteLength - from);
      if (bytes >= TURN_BYTES) {
        bytes = 0;
        await new Promise((turn) => setTimeout(turn, 0));
      }
    }
  }
  parser.end();
}
