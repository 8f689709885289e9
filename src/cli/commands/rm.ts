import { CliError, usageError } from '../cli-error.ts';
import type { Command, Given } from '../command.ts';
import { checkChangeable, checkThere, createLocator, type Edits, editFiles } from '../edits.ts';
import { FEW_RETRIES, quickRetryPolicy } from '../retries.ts';
import { openSession } from '../session.ts';
import { showName } from '../terminal.ts';

export const rm: Command = {
  name: 'rm',
  summary: 'remove files and directories from collections',
  usage: 'COLLECTION/PATH... [options]',
  options: {
    recursive: { value: null, short: 'r', help: 'directories too, with all that is in them' },
    force: { value: null, short: 'f', help: 'paths that are not there are no error' },
    retries: FEW_RETRIES,
  },
  help: `
All paths of one collection go at once; what others save meanwhile stays. The data itself stays stored until garbage is
collected.`,
  run: runRm,
};

async function runRm(given: Given): Promise<number> {
  if (given.arguments.length === 0) throw usageError('Which paths? See: keep-edge rm --help');
  const session = openSession({ retry: quickRetryPolicy(given) });
  try {
    const locate = createLocator(session.api);
    const edits = new Map<string, Edits>();
    for (const text of given.arguments) {
      const located = await locate(text);
      const { id, path, entry } = located;
      checkChangeable(located);
      if (entry === undefined && given.has('force')) continue;
      checkThere(located);
      if (typeof entry === 'object' && !given.has('recursive'))
        throw new CliError(`${showName(path)} is a directory: -r removes it with all that is in it.`);
      edits.set(id, { ...edits.get(id), [`/${path}`]: '' });
    }
    for (const [id, each] of edits) await editFiles(session.api, id, each);
    return 0;
  } finally {
    session.close();
  }
}
