/**
 * A directory as a link to its parent. Files in a directory share one place, so that a path of many components is
 * stored once and not for each file: a manifest of 200 KB could otherwise expand to gigabytes of path text.
 */
export interface Place {
  /** Null for the root. */
  parent: Place | null;
  name: string;
}

/** A file's path: a name that is not empty and has no slash, in a directory. */
export interface FilePath {
  directory: Place;
  name: string;
}

export const ROOT_PLACE: Place = { parent: null, name: '' };

/** `a/b` for a directory; '' for the root. Time and memory grow with the length of the path. */
export function placeText(place: Place): string {
  const names: string[] = [];
  for (let at = place; at.parent !== null; at = at.parent) names.push(at.name);
  return names.reverse().join('/');
}

/** `a/b/file`. Time and memory grow with the length of the path. */
export function pathText({ directory, name }: FilePath): string {
  return directory.parent === null ? name : `${placeText(directory)}/${name}`;
}

export function isSamePath(a: FilePath, b: FilePath): boolean {
  if (a.name !== b.name) return false;
  let [left, right]: [Place | null, Place | null] = [a.directory, b.directory];
  while (left !== right) {
    if (left === null || right === null || left.name !== right.name) return false;
    [left, right] = [left.parent, right.parent];
  }
  return true;
}

/**
 * Finds the tree node of a place, in a tree of any kind, starting at the nearest ancestor that was found before.
 * @param below the child of this name in a directory of the tree, created if missing; it must stay the same object
 */
export function createPlaceFinder<Directory extends object>(
  root: Directory,
  below: (parent: Directory, place: Place) => Directory,
): (place: Place) => Directory {
  const known = new WeakMap<Place, Directory>();
  return (place) => {
    const missing: Place[] = [];
    let directory: Directory | undefined;
    for (let at: Place | null = place; at !== null && directory === undefined; at = at.parent) {
      directory = at.parent === null ? root : known.get(at);
      if (directory === undefined) missing.push(at);
    }
    let found = directory ?? root;
    for (const next of missing.reverse()) {
      found = below(found, next);
      known.set(next, found);
    }
    return found;
  };
}
