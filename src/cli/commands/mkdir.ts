import { CliError } from '../cli-error.ts';
import type { Command, Given } from '../command.ts';
import { editEach, makeDirectory } from '../edits.ts';
import { FEW_RETRIES, quickRetryPolicy } from '../retries.ts';
import { openSession } from '../session.ts';
import { showName } from '../terminal.ts';

export const mkdir: Command = {
  name: 'mkdir',
  summary: 'make directories in collections',
  usage: 'COLLECTION/PATH... [options]',
  forms: { '': [1, Infinity] },
  options: {
    parents: { value: null, short: 'p', help: 'a directory that is there already is no error' },
    retries: FEW_RETRIES,
  },
  help: 'Directories that lead to a new one are made, too.',
  run: runMkdir,
};

async function runMkdir(given: Given): Promise<number> {
  const session = openSession({ retry: quickRetryPolicy(given) });
  try {
    await editEach(session.api, given.arguments, ({ path, entry }) => {
      if (typeof entry === 'object' && given.has('parents')) return null;
      if (entry !== undefined) throw new CliError(`${showName(path)} is there already.`);
      return makeDirectory(path);
    });
    return 0;
  } finally {
    session.close();
  }
}
