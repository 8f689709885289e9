import { CliError, usageError } from '../cli-error.ts';
import type { Command, Given } from '../command.ts';
import { checkChangeable, createLocator, type Edits, editFiles, makeDirectory } from '../edits.ts';
import { FEW_RETRIES, quickRetryPolicy } from '../retries.ts';
import { openSession } from '../session.ts';
import { showName } from '../terminal.ts';

export const mkdir: Command = {
  name: 'mkdir',
  summary: 'make directories in collections',
  usage: 'COLLECTION/PATH... [options]',
  options: {
    parents: { value: null, short: 'p', help: 'a directory that is there already is no error' },
    retries: FEW_RETRIES,
  },
  help: 'Directories that lead to a new one are made, too.',
  run: runMkdir,
};

async function runMkdir(given: Given): Promise<number> {
  if (given.arguments.length === 0) throw usageError('Which directory? See: keep-edge mkdir --help');
  const session = openSession({ retry: quickRetryPolicy(given) });
  try {
    const locate = createLocator(session.api);
    const edits = new Map<string, Edits>();
    for (const text of given.arguments) {
      const located = await locate(text);
      const { id, path, entry } = located;
      checkChangeable(located);
      if (typeof entry === 'object' && given.has('parents')) continue;
      if (entry !== undefined) throw new CliError(`${showName(path)} is there already.`);
      edits.set(id, { ...edits.get(id), ...makeDirectory(path) });
    }
    for (const [id, each] of edits) await editFiles(session.api, id, each);
    return 0;
  } finally {
    session.close();
  }
}
