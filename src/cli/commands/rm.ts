import { CliError } from '../cli-error.ts';
import type { Command, Given } from '../command.ts';
import { checkThere, editEach } from '../edits.ts';
import { FEW_RETRIES, quickRetryPolicy } from '../retries.ts';
import { openSession } from '../session.ts';
import { showName } from '../terminal.ts';

export const rm: Command = {
  name: 'rm',
  summary: 'remove files and directories from collections',
  usage: 'COLLECTION/PATH... [options]',
  forms: { '': [1, Infinity] },
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
  const session = openSession({ retry: quickRetryPolicy(given) });
  try {
    await editEach(session.api, given.arguments, (located) => {
      const { path, entry } = located;
      if (entry === undefined && given.has('force')) return null;
      checkThere(located);
      if (typeof entry === 'object' && !given.has('recursive'))
        throw new CliError(`${showName(path)} is a directory: -r removes it with all that is in it.`);
      return { [`/${path}`]: '' };
    });
    return 0;
  } finally {
    session.close();
  }
}
