import type { Chunks } from '../../keep/manifest/line-tokens.ts';
import { ManifestParser } from '../../keep/manifest/parse.ts';
import { createPlaceFinder } from '../../keep/manifest/places.ts';
import { READ_RULES } from '../../keep/manifest/rules.ts';
import type { NodeKind } from './edits.ts';
import { nodeFor } from './path-map.ts';

/** Parsing goes on in portions of this size, with a turn for others between them. */
const TURN_BYTES = 1_000_000;

/**
 * What is at each of these paths, in one pass over a text. The root is always a directory.
 * @throws KeepError unreadable_manifest
 */
export async function surveyPaths(text: Chunks, paths: Iterable<string>): Promise<Map<string, NodeKind>> {
  const root: Wanted = { children: new Map(), kind: 'directory' };
  const create = (): Wanted => ({ children: new Map(), kind: 'absent' });
  const nodes = new Map([...paths].map((path) => [path, nodeFor(root, path, create)]));
  const directory = createPlaceFinder<{ node: Wanted | null }>({ node: root }, ({ node }, { name }) => {
    const next = node?.children.get(name) ?? null;
    if (next !== null) next.kind = 'directory';
    return { node: next };
  });
  await parseInTurns(text, {
    stream: (place) => void directory(place),
    segment({ directory: place, name }) {
      const node = directory(place).node?.children.get(name);
      if (node !== undefined && node.kind === 'absent') node.kind = 'file';
    },
    directory: (place) => void directory(place),
  });
  return new Map([...nodes].map(([path, { kind }]) => [path, kind]));
}

/** Paths that are asked for, as a tree of their components. */
interface Wanted {
  children: Map<string, Wanted>;
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
