import { CliError, usageError } from '../cli-error.ts';
import { entryAt, loadCollection, parseAddress } from '../collection.ts';
import type { Command, Given } from '../command.ts';
import { printFile } from '../get/print-file.ts';
import { openSession } from '../session.ts';

export const cat: Command = {
  name: 'cat',
  summary: 'write files of collections to standard output',
  usage: 'COLLECTION/FILE...',
  options: {},
  help: 'Every block is checked against its hash before anything of it is written.',
  run: runCat,
};

async function runCat(given: Given): Promise<number> {
  if (given.arguments.length === 0) throw usageError('Which file? See: keep-edge cat --help');
  const addresses = given.arguments.map(parseAddress);
  const session = openSession();
  try {
    for (const { id, path } of addresses) {
      const entry = entryAt((await loadCollection(session.api, id)).tree, path);
      if (entry.kind === 'directory') throw new CliError(`${path || id} is a directory: name a file in it.`);
      await printFile(session.keep, entry, process.stdout);
    }
    return 0;
  } finally {
    session.close();
  }
}
