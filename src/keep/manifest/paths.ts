import { decodeName, isUtf8, unescapeBytes } from './names.ts';
import { type FilePath, type Place, ROOT_PLACE } from './places.ts';
import type { ManifestRules } from './rules.ts';

/** A file token's name, as a path from the collection's root. */
export interface NamedPath extends FilePath {
  /** True for the name '.', which stands for the directory itself: an empty directory is written that way. */
  isDirectory: boolean;
}

/** Thrown here with what is wrong; the parser adds where. */
export class NameProblem extends Error {}

const CACHE_SLOTS = 4096;
const MAX_CACHED_BYTES = 256;
const ASCII_CONTROL_END = 0x20;

interface CacheEntry extends NamedPath {
  raw: Uint8Array;
  /** The count of directory changes at which this was resolved: other directories make other paths. */
  era: number;
}

/**
 * The directory of a stream name.
 * @throws NameProblem
 */
export function streamDirectory(raw: Uint8Array, rules: ManifestRules): Place {
  const components = decode(raw, rules).split('/');
  if (rules.strictNames) {
    if (components.shift() !== '.') throw new NameProblem('a stream name must be . or begin with ./');
    checkComponents(components);
  }
  return walk(ROOT_PLACE, components);
}

/**
 * Resolves file names within one stream. Results are cached: manifests of many segments repeat the same names, and the
 * same string is returned for the same name.
 */
export class FileNames {
  readonly #rules: ManifestRules;
  readonly #cache: (CacheEntry | undefined)[] = new Array(CACHE_SLOTS);
  #directory = ROOT_PLACE;
  #era = 0;

  constructor(rules: ManifestRules) {
    this.#rules = rules;
  }

  /** Begins a stream: names are relative to `directory` from now on. */
  enter(directory: Place): void {
    this.#directory = directory;
    this.#era++;
  }

  /** @throws NameProblem */
  resolve(bytes: Uint8Array, start: number, end: number): NamedPath {
    if (end - start > MAX_CACHED_BYTES) return filePath(this.#directory, bytes.slice(start, end), this.#rules);
    const slot = hashBytes(bytes, start, end) % CACHE_SLOTS;
    const cached = this.#cache[slot];
    if (cached?.era === this.#era && isSame(cached.raw, bytes, start, end)) return cached;
    const raw = bytes.slice(start, end);
    const entry = { raw, era: this.#era, ...filePath(this.#directory, raw, this.#rules) };
    this.#cache[slot] = entry;
    return entry;
  }
}

function filePath(directory: Place, raw: Uint8Array, rules: ManifestRules): NamedPath {
  const name = decode(raw, rules);
  if (rules.strictNames && name === '.') return { directory, name: '', isDirectory: true };
  const components = name.split('/');
  if (rules.strictNames) checkComponents(components);
  const last = components.pop() ?? '';
  if (last === '' || last === '..') throw new NameProblem('a file name must not be empty or ..');
  const parent = walk(directory, components);
  if (last === '.') return { directory: parent, name: '', isDirectory: true };
  return { directory: parent, name: last, isDirectory: false };
}

function decode(raw: Uint8Array, rules: ManifestRules): string {
  if (raw.length === 0) throw new NameProblem('an empty name');
  if (rules.strictNames) {
    if (raw.some((byte) => byte <= ASCII_CONTROL_END)) throw new NameProblem('a control character must be escaped');
    if (!isUtf8(raw)) throw new NameProblem('a name must be UTF-8');
  }
  const bytes = unescapeBytes(raw, rules.strictNames);
  if (bytes === null) throw new NameProblem('a backslash must begin an escape from \\000 to \\377');
  return decodeName(bytes);
}

function checkComponents(components: string[]): void {
  for (const component of components) {
    if (component === '') throw new NameProblem('a name must not begin or end with / or contain //');
    if (component === '.' || component === '..') throw new NameProblem('a name must not have . or .. as a component');
  }
}

/** Follows a path as keep-web does: empty and '.' stay, '..' goes up. */
function walk(from: Place, components: string[]): Place {
  let place = from;
  for (const component of components) {
    if (component === '..') {
      if (place.parent === null) throw new NameProblem('a name must not lead out of the collection');
      place = place.parent;
    } else if (component !== '' && component !== '.') {
      place = { parent: place, name: component };
    }
  }
  return place;
}

/** FNV-1a, 32 bits, unsigned. */
function hashBytes(bytes: Uint8Array, start: number, end: number): number {
  let hash = 0x811c9dc5;
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ (bytes[i] as number), 0x01000193);
  return hash >>> 0;
}

function isSame(cached: Uint8Array, bytes: Uint8Array, start: number, end: number): boolean {
  if (cached.length !== end - start) return false;
  for (let i = 0; i < cached.length; i++) if (cached[i] !== bytes[start + i]) return false;
  return true;
}
