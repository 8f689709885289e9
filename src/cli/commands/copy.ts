import { CliError, usageError } from '../cli-error.ts';
import type { Command, Given } from '../command.ts';
import { checkChangeable, checkThere, createLocator, type Edits, editFiles, type Located } from '../edits.ts';
import { FEW_RETRIES, quickRetryPolicy } from '../retries.ts';
import { openSession } from '../session.ts';
import { showName } from '../terminal.ts';

const OPTIONS = {
  force: { value: null, short: 'f', help: 'replace a file that is there' },
  retries: FEW_RETRIES,
} as const;

const TARGET = `
DEST is a path in a collection; a directory that is there, or a path with a slash at its end, takes the sources in. Files
and directories alike, and no data is moved. What others save meanwhile stays.`;

export const cp: Command = {
  name: 'cp',
  summary: 'copy files and directories within and between collections',
  usage: 'COLLECTION/PATH... COLLECTION/DEST [options]',
  forms: { '': [2, Infinity] },
  options: OPTIONS,
  help: TARGET,
  run: (given) => runCopy(given, false),
};

export const mv: Command = {
  name: 'mv',
  summary: 'move or rename files and directories within and between collections',
  usage: 'COLLECTION/PATH... COLLECTION/DEST [options]',
  forms: { '': [2, Infinity] },
  options: OPTIONS,
  help: `${TARGET}\nBetween two collections a path is copied first, then removed.`,
  run: (given) => runCopy(given, true),
};

async function runCopy(given: Given, isMove: boolean): Promise<number> {
  const texts = [...given.arguments];
  const last = texts.pop() ?? '';
  const session = openSession({ retry: quickRetryPolicy(given) });
  try {
    const locate = createLocator(session.api);
    const target = await locate(last);
    const isInto = texts.length > 1 || last.endsWith('/') || typeof target.entry === 'object';
    if (!isInto) checkChangeable(target);
    else checkChangeable({ id: target.id, path: target.path || '.' });
    const copies: Edits = {};
    const removals = new Map<string, Edits>();
    const hashes = new Map<string, string>();
    for (const text of texts) {
      const source = await locate(text);
      checkThere(source);
      if (isMove) checkChangeable(source);
      const path = isInto ? join(target.path, nameOf(source)) : target.path;
      checkTarget(source, target, path, copies, given.has('force'));
      const isSame = source.id === target.id;
      // As it is when the change is made, not as it was when it was looked at.
      copies[`/${path}`] = isSame ? `current/${source.path}` : `${source.portableDataHash}/${source.path}`;
      hashes.set(source.id, source.portableDataHash);
      if (isMove) removals.set(source.id, { ...removals.get(source.id), [`/${source.path}`]: '' });
    }
    const all = { ...removals.get(target.id), ...copies };
    await editFiles(session.api, target.id, all, { mustBeNew: !given.has('force') });
    // What was written to a source after it was copied stays there.
    for (const [id, edits] of removals)
      if (id !== target.id) await editFiles(session.api, id, edits, { unchangedFrom: hashes.get(id) ?? '' });
    return 0;
  } finally {
    session.close();
  }
}

function nameOf({ id, path }: Located): string {
  if (path === '') throw usageError(`${id} is a whole collection: write a destination that is not there yet.`);
  return path.slice(path.lastIndexOf('/') + 1);
}

function join(directory: string, name: string): string {
  return directory === '' ? name : `${directory}/${name}`;
}

/** @throws CliError when something would be lost, or would be in itself */
function checkTarget(source: Located, target: Located, path: string, copies: Edits, force: boolean): void {
  const shown = showName(path);
  if (`/${path}` in copies) throw new CliError(`Two of the sources would be ${shown}.`);
  if (source.id === target.id && `${path}/`.startsWith(`${source.path}/`))
    throw new CliError(`${showName(source.path)} cannot be put into itself.`);
  let at = target.tree.entries.get(path.split('/')[0] ?? '');
  for (const name of path.split('/').slice(1)) {
    if (typeof at === 'number') throw new CliError(`A file is in the way of ${shown}.`);
    at = at?.entries.get(name);
  }
  if (typeof at === 'object') throw new CliError(`${shown} is a directory that is there already.`);
  if (at !== undefined && !force) throw new CliError(`${shown} is there already (--force replaces it).`);
  if (at !== undefined && typeof source.entry === 'object')
    throw new CliError(`The file ${shown} is in the way of a directory.`);
}
