/**
 * Where an object lies in the tree of a collection. Keys are any text, paths are not: a component that no path can have is
 * written with percent signs ('' as %2F, '.' and '..' as %2E, a zero byte as %00), so that every object is reached.
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
  return text.replaceAll('\0', '%00');
}

/** Which objects of a bucket an adoption takes, and what it leaves of their keys. */
export interface Scope {
  /** What their keys begin with: others may begin so too. */
  listed: string;
  includes(key: string): boolean;
  relative(key: string): string;
}

/**
 * `data/run1` takes what lies below `data/run1/`, and the object `data/run1` itself by its name: not `data/run10/x`, which was not
 * asked for. With a star at its end, `data/run*`, it is the beginning of names, which are kept.
 */
export function scopeOf(source: string): Scope {
  const isPattern = source.endsWith('*');
  const listed = isPattern ? source.slice(0, -1) : source;
  const directory = listed.slice(0, listed.lastIndexOf('/') + 1);
  const isDirectory = !isPattern && (listed === '' || listed.endsWith('/'));
  const below = isDirectory ? listed : `${listed}/`;
  return {
    listed,
    includes: (key) => isPattern || key === listed || key.startsWith(below),
    relative: (key) => (!isPattern && key.startsWith(below) ? key.slice(below.length) : key.slice(directory.length)),
  };
}
