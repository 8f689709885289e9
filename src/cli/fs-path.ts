import { existsSync, mkdirSync, readdirSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { decodeName, nameBytes } from '../keep/manifest/names.ts';
import { CliError } from './cli-error.ts';
import { showName } from './terminal.ts';

/** What Node puts in the place of bytes that are not UTF-8. */
const REPLACEMENT = '\ufffd';

/**
 * Paths are strings in which bytes that are not UTF-8 are lone surrogates, as names in manifests are. This is the form
 * that functions of node:fs take.
 */
export function fsPath(path: string): string | Buffer {
  return path.isWellFormed() ? path : Buffer.from(nameBytes(path));
}

/** The names in a directory, those that are not UTF-8 among them. */
export function namesIn(directory: string): string[] {
  const names = readdirSync(fsPath(directory));
  if (!names.some((name) => name.includes(REPLACEMENT))) return names;
  return readdirSync(fsPath(directory), { encoding: 'buffer' }).map(decodeName);
}

export function realPath(path: string): string {
  return decodeName(realpathSync.native(fsPath(path), { encoding: 'buffer' }));
}

/**
 * Makes a directory, and those above it that are missing. Node's own `recursive` never ends below a directory that takes
 * none, such as /proc.
 * @throws CliError below such a one
 */
export function makeDirectories(path: string, mode = 0o777): void {
  if (isDirectory(path)) return;
  const above = dirname(path);
  if (above !== path && !existsSync(fsPath(above))) makeDirectories(above, mode);
  try {
    mkdirSync(fsPath(path), mode);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST' && isDirectory(path)) return;
    if (code !== 'ENOENT') throw error;
    throw new CliError(`${showName(path)} cannot be made: ${showName(above)} takes no directories`);
  }
}

function isDirectory(path: string): boolean {
  return statSync(fsPath(path), { throwIfNoEntry: false })?.isDirectory() === true;
}

/** Arguments of the command line. Node replaces bytes that are not UTF-8; Linux still has them. */
export function argumentsOf(argv: readonly string[]): string[] {
  const args = argv.slice(2);
  if (!args.some((arg) => arg.includes(REPLACEMENT))) return args;
  try {
    const raw = readFileSync('/proc/self/cmdline');
    const all: string[] = [];
    for (let from = 0, end = raw.indexOf(0); end >= 0; from = end + 1, end = raw.indexOf(0, from))
      all.push(decodeName(raw.subarray(from, end)));
    const given = args.length > 0 ? all.slice(-args.length) : [];
    const isSame = given.every((arg, index) => Buffer.from(nameBytes(arg)).toString() === args[index]);
    return given.length === args.length && isSame ? given : args;
  } catch {
    return args;
  }
}
