/**
 * A directory, by the one above it. Names in a directory share their directory's place, so that what a path of many
 * components costs is paid once, not for each name: a manifest of 200 KB could otherwise spell out gigabytes.
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

/** `a/b` for a directory; '' for the root. Takes time and room by the length of the path. */
export function placeText(place: Place): string {
  const names: string[] = [];
  for (let at = place; at.parent !== null; at = at.parent) names.push(at.name);
  return names.reverse().join('/');
}

/** `a/b/file`. Takes time and room by the length of the path. */
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
 * Finds what stands for a place in a tree of any kind, from the nearest place above it that was found before.
 * @param below what has this name in a directory of the tree, made if it is not there; it must stay that directory's
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
