/**
 * Where an object lies in the tree of a collection. Keys are any text, paths are not: a component that no path can have is
 * written with percent signs ('' as %2F, '.' and '..' as %2E), so that every object is reached.
 */
export interface ObjectPath {
  /** Components of the directory, from the root. */
  directory: string[];
  /** '' for a directory of its own: a key that ends in a slash and holds nothing. */
  name: string;
}

/** @param key without the prefix that was adopted */
export function pathOfKey(key: string, size: number): ObjectPath {
  const components = key.split('/');
  const last = components.pop() ?? '';
  const directory = components.map(componentOf);
  if (last === '' && size === 0) return { directory, name: '' };
  return { directory, name: componentOf(last) };
}

/** The name of a file beside a directory of the same name. */
export function besideDirectory(name: string): string {
  return `${name}.object`;
}

function componentOf(text: string): string {
  if (text === '') return '%2F';
  if (text === '.' || text === '..') return text.replaceAll('.', '%2E');
  return text;
}

/** What a prefix leaves of a key: `data/run1` adopts `data/run1/x` as `x`, and the object `data/run1` itself by its name. */
export function relativeKey(key: string, prefix: string): string {
  const rest = key.slice(prefix.length);
  if (prefix === '' || prefix.endsWith('/')) return rest;
  if (rest.startsWith('/')) return rest.slice(1);
  // The prefix ends inside a name.
  return key.slice(prefix.lastIndexOf('/') + 1);
}
