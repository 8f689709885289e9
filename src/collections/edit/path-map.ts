import { createPlaceFinder, type FilePath, type Place, placeText } from '../../keep/manifest/places.ts';

/** Takes files from one place to another: a file, or a directory with all it holds. */
export interface Transfer {
  from: string;
  to: string;
  /** Of a directory only itself. */
  shallow: boolean;
}

/** What edits say about a path, and below it. */
interface PathNode extends Tree<PathNode> {
  isRemoved: boolean;
  /** A directory whose own entry goes, and nothing else. */
  isUnmarked: boolean;
  transfers: Transfer[];
}

interface DirectoryInfo {
  /** Null: edits name nothing at or below it. */
  node: PathNode | null;
  /** It lies in something that is removed. */
  isRemoved: boolean;
  /** Of directories above or at this one. */
  copies: readonly Transfer[];
}

const NO_TRANSFERS: readonly Transfer[] = [];

/**
 * What a set of edits does to each path of a text. Looked up directory by directory, component by component: millions of segments
 * are cheap, and so are directories a hundred thousand levels deep, whose paths are never put together unless files lie in them.
 */
export class PathMap {
  readonly #keepsRest: boolean;
  readonly #root = emptyNode();
  readonly #texts = new WeakMap<Place, string>();
  readonly #directory: (place: Place) => DirectoryInfo;
  /** Whether no path changes. */
  readonly isIdentity: boolean;

  /**
   * @param removed paths that go, with all below them
   * @param options.keepsRest false when only transfers are of interest: the text is the source of a graft
   * @param options.unmarked directories whose own entry goes
   */
  constructor(
    removed: readonly string[],
    transfers: readonly Transfer[],
    { keepsRest = true, unmarked = [] }: { keepsRest?: boolean; unmarked?: readonly string[] } = {},
  ) {
    this.#keepsRest = keepsRest;
    this.isIdentity = keepsRest && removed.length === 0 && transfers.length === 0 && unmarked.length === 0;
    for (const path of removed) nodeFor(this.#root, path, emptyNode).isRemoved = true;
    for (const path of unmarked) nodeFor(this.#root, path, emptyNode).isUnmarked = true;
    for (const transfer of transfers) nodeFor(this.#root, transfer.from, emptyNode).transfers.push(transfer);
    this.#directory = createPlaceFinder(infoOf(null, this.#root), (above, { name }) =>
      infoOf(above, above.node?.children?.get(name) ?? null),
    );
  }

  /** Where a file is afterwards: whether it stays, and the directories and names of its copies. */
  file({ directory, name }: FilePath): { stays: boolean; copies: { directory: string; name: string }[] } {
    const { node, isRemoved, copies: above } = this.#directory(directory);
    const own = node?.children?.get(name);
    const stays = this.#keepsRest && !isRemoved && own?.isRemoved !== true;
    if (above.length === 0 && own === undefined) return { stays, copies: [] };
    const copies = above.map((transfer) => ({ directory: this.#copied(directory, transfer), name }));
    for (const { to } of own?.transfers ?? []) copies.push({ directory: parentOf(to), name: nameOf(to) });
    return { stays, copies };
  }

  /** The same for a directory itself: an empty one is an entry of its own in a manifest. */
  place(place: Place): { stays: boolean; copies: string[] } {
    const { node, isRemoved, copies } = this.#directory(place);
    const shallow = (node?.transfers ?? []).filter((transfer) => transfer.shallow).map(({ to }) => to);
    return {
      stays: this.#keepsRest && !isRemoved && node?.isUnmarked !== true,
      copies: [...copies.map((transfer) => this.#copied(place, transfer)), ...shallow],
    };
  }

  /** The path of a directory that something lies in. */
  text(place: Place): string {
    let text = this.#texts.get(place);
    if (text === undefined) {
      text = placeText(place);
      this.#texts.set(place, text);
    }
    return text;
  }

  #copied(place: Place, { from, to }: Transfer): string {
    const text = this.text(place);
    return joined(to, from === '' ? text : text.slice(from.length + 1));
  }
}

function infoOf(above: DirectoryInfo | null, node: PathNode | null): DirectoryInfo {
  const own = (node?.transfers ?? NO_TRANSFERS).filter(({ shallow }) => !shallow);
  const copies = above?.copies ?? NO_TRANSFERS;
  return {
    node,
    isRemoved: above?.isRemoved === true || node?.isRemoved === true,
    copies: own.length === 0 ? copies : [...copies, ...own],
  };
}

function emptyNode(): PathNode {
  return { children: null, isRemoved: false, isUnmarked: false, transfers: [] };
}

/** A node by whose children paths are looked up, component by component. */
export interface Tree<Node> {
  /** Null for a leaf: most are. */
  children: Map<string, Node> | null;
}

/** The node of a path in a tree of path components, made if it is not there. */
export function nodeFor<Node extends Tree<Node>>(root: Node, path: string, create: () => Node): Node {
  let node = root;
  for (const name of path === '' ? [] : path.split('/')) {
    node.children ??= new Map<string, Node>();
    let next = node.children.get(name);
    if (next === undefined) {
      next = create();
      node.children.set(name, next);
    }
    node = next;
  }
  return node;
}

/** The nodes on the way to a path, as far as there are any: the root's first. */
export function* nodesTo<Node extends Tree<Node>>(root: Node, path: string): Generator<Node, void, undefined> {
  let node = root;
  yield node;
  for (let from = 0; from < path.length; ) {
    const slash = path.indexOf('/', from);
    const end = slash < 0 ? path.length : slash;
    const next = node.children?.get(path.slice(from, end));
    if (next === undefined) return;
    node = next;
    yield node;
    from = end + 1;
  }
}

export function joined(directory: string, name: string): string {
  if (directory === '') return name;
  return name === '' ? directory : `${directory}/${name}`;
}

export function parentOf(path: string): string {
  const slash = path.lastIndexOf('/');
  return slash < 0 ? '' : path.slice(0, slash);
}

export function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

interface Member extends Tree<Member> {
  /** Null: only on the way to members. */
  path: string | null;
}

/** Paths that can be asked which of them cover another one, at a cost that goes with their depth, not with that one's. */
export class PathSet {
  readonly #root: Member = { children: null, path: null };

  constructor(paths: Iterable<string>) {
    for (const path of paths) nodeFor(this.#root, path, (): Member => ({ children: null, path: null })).path = path;
  }

  /** The members that are `path` or lie above it. */
  *covering(path: string): Generator<string, void, undefined> {
    for (const node of nodesTo(this.#root, path)) if (node.path !== null) yield node.path;
  }

  covers(path: string): boolean {
    return this.covering(path).next().done !== true;
  }
}

/** Whether `path` is `above` or lies below it. */
export function isWithin(path: string, above: string): boolean {
  return above === '' || path === above || path.startsWith(`${above}/`);
}
