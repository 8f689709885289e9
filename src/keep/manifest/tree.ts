import { KeepError } from '../errors.ts';

/** `length` bytes from `offset` of one block. */
export interface Segment {
  /** With whatever hints it came with: segments with different hints count as different blocks. */
  locator: string;
  /** Bytes of the whole block. */
  blockSize: number;
  offset: number;
  length: number;
}

export interface ManifestFile {
  kind: 'file';
  segments: Segment[];
}

export interface ManifestDirectory {
  kind: 'directory';
  entries: Map<string, ManifestFile | ManifestDirectory>;
}

export function emptyDirectory(): ManifestDirectory {
  return { kind: 'directory', entries: new Map() };
}

/**
 * The file at `path` (`a/b/c`), made with its directories if it is not there.
 * @throws KeepError invalid_record when something on the way is a file, the path is a directory, or a component is
 *   empty, '.' or '..'
 */
export function fileAt(root: ManifestDirectory, path: string): ManifestFile {
  const components = path.split('/');
  const name = components.pop() ?? '';
  return fileIn(directoryOf(root, components), name, () => path);
}

/** The file of this name in a directory, made if it is not there. Throws like fileAt; `path` is for the message. */
export function fileIn(parent: ManifestDirectory, name: string, path: () => string): ManifestFile {
  let file = parent.entries.get(checkedName(name, path));
  if (file === undefined) {
    file = { kind: 'file', segments: [] };
    parent.entries.set(name, file);
  }
  if (file.kind === 'directory') throw clash(path);
  return file;
}

/** The directory at `path`, made if it is not there; '' is the root. Throws like fileAt. */
export function directoryAt(root: ManifestDirectory, path: string): ManifestDirectory {
  return path === '' ? root : directoryOf(root, path.split('/'));
}

/** The directory of this name in a directory, made if it is not there. Throws like fileAt. */
export function directoryIn(parent: ManifestDirectory, name: string, path: () => string): ManifestDirectory {
  let next = parent.entries.get(checkedName(name, path));
  if (next === undefined) {
    next = emptyDirectory();
    parent.entries.set(name, next);
  }
  if (next.kind === 'file') throw clash(path);
  return next;
}

/** Adds to the end of a file; nothing when the segment is empty. */
export function appendSegment(file: ManifestFile, segment: Segment): void {
  if (segment.length > 0) file.segments.push(segment);
}

function directoryOf(root: ManifestDirectory, components: string[]): ManifestDirectory {
  let directory = root;
  for (const component of components) directory = directoryIn(directory, component, () => components.join('/'));
  return directory;
}

function checkedName(name: string, path: () => string): string {
  if (name !== '' && name !== '.' && name !== '..') return name;
  throw new KeepError('invalid_record', { message: `${shown(path())} is not a path in a collection` });
}

function clash(path: () => string): KeepError {
  return new KeepError('invalid_record', { message: `${shown(path())} would be a file and a directory at once` });
}

const MAX_SHOWN_CHARS = 1000;

function shown(path: string): string {
  return JSON.stringify(path.slice(0, MAX_SHOWN_CHARS).toWellFormed());
}
