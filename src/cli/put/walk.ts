import { lstatSync, type Stats, statSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import { compareNames } from '../../keep/manifest/names.ts';
import { reasonOf, stampOf } from '../block-jobs.ts';
import { CliError } from '../cli-error.ts';
import { fsPath, namesIn, realPath } from '../fs-path.ts';
import type { Glob } from '../glob.ts';
import { showName } from '../terminal.ts';

/** A file to be stored. */
export interface SourceFile {
  /** In the collection. */
  path: string;
  /** On disk. */
  source: string;
  size: number;
  /** See stampOf. */
  stamp: string;
}

/** Something that cannot be stored. */
export interface Problem {
  path: string;
  what: string;
}

export interface Walk {
  /** In the order of a normalised manifest within each directory. */
  files: SourceFile[];
  /** Paths in the collection. */
  emptyDirectories: string[];
  problems: Problem[];
  /** Symbolic links that were not followed. */
  skippedLinks: number;
  /** Sockets, pipes and devices: collections hold files. */
  skippedSpecial: number;
  excluded: number;
}

export interface WalkOptions {
  followLinks: boolean;
  excludes: readonly Glob[];
}

/**
 * Walks the paths of a command line: `DIR/` stands for what is in it, `DIR` and `FILE` for themselves.
 * @throws CliError when a path is not there, or two of them would be one
 */
export function walkPaths(paths: readonly string[], options: WalkOptions): Walk {
  const walk: Walk = {
    files: [],
    emptyDirectories: [],
    problems: [],
    skippedLinks: 0,
    skippedSpecial: 0,
    excluded: 0,
  };
  const roots = new Set<string>();
  for (const path of paths) {
    const stats = statGiven(path);
    const contents = stats.isDirectory() && /(^|\/)\.{0,2}$/.test(path);
    const name = contents ? '' : basename(resolve(path));
    if (name !== '' && roots.has(name))
      throw new CliError(`Two of the paths would be ${showName(name)} in the collection.`);
    roots.add(name);
    visit(walk, { source: resolve(path), path: name, stats, above: [] }, options, true);
  }
  if (paths.length > 1) refuseDuplicates(walk.files);
  return walk;
}

function statGiven(path: string): Stats {
  try {
    return statSync(fsPath(path));
  } catch (error) {
    const isMissing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    throw new CliError(`${showName(path)}: ${isMissing ? 'there is no such file or directory' : reasonOf(error)}`);
  }
}

interface Place {
  source: string;
  path: string;
  stats: Stats;
  /** Real paths of the directories that lead here, where links are followed. */
  above: readonly string[];
}

/** Walks a tree without recursion: it may be deep. */
function visit(walk: Walk, root: Place, options: WalkOptions, isGiven: boolean): void {
  const pending = [root];
  let given = isGiven;
  for (let place = pending.pop(); place !== undefined; place = pending.pop()) {
    const { source, path, stats } = place;
    if (!given && options.excludes.some((excludes) => excludes(path))) walk.excluded++;
    // The API server takes no other names.
    else if (!path.isWellFormed())
      walk.problems.push({ path: source, what: 'its name is not UTF-8, as collections need it' });
    else if (stats.isFile()) walk.files.push({ path, source, size: stats.size, stamp: stampOf(stats) });
    else if (stats.isDirectory()) for (const child of children(walk, place, options).reverse()) pending.push(child);
    else if (given) walk.problems.push({ path: source, what: 'it is no file and no directory' });
    else walk.skippedSpecial++;
    given = false;
  }
}

function children(walk: Walk, { source, path, above }: Place, options: WalkOptions): Place[] {
  let names: string[];
  let inside: readonly string[] = above;
  try {
    if (options.followLinks) {
      const real = realPath(source);
      if (above.includes(real)) throw Object.assign(new Error(), { code: 'ELOOP' });
      inside = [...above, real];
    }
    names = namesIn(source);
  } catch (error) {
    walk.problems.push({ path: source, what: reasonOf(error) });
    return [];
  }
  if (names.length === 0 && path !== '') walk.emptyDirectories.push(path);
  const places: Place[] = [];
  for (const name of names.sort(compareNames)) {
    const child = { source: `${source === '/' ? '' : source}/${name}`, path: path === '' ? name : `${path}/${name}` };
    const stats = statChild(walk, child, options);
    if (stats !== null) places.push({ ...child, stats, above: inside });
  }
  return places;
}

function statChild(
  walk: Walk,
  { source, path }: { source: string; path: string },
  { followLinks, excludes }: WalkOptions,
): Stats | null {
  try {
    const stats = lstatSync(fsPath(source));
    if (!stats.isSymbolicLink()) return stats;
    if (excludes.some((isExcluded) => isExcluded(path))) {
      walk.excluded++;
      return null;
    }
    if (followLinks) return statSync(fsPath(source));
    walk.skippedLinks++;
  } catch (error) {
    walk.problems.push({ path: source, what: reasonOf(error) });
  }
  return null;
}

function refuseDuplicates(files: readonly SourceFile[]): void {
  const seen = new Set<string>();
  for (const { path } of files) {
    if (seen.has(path)) throw new CliError(`Two of the paths hold ${showName(path)}: a collection can hold one.`);
    seen.add(path);
  }
}
