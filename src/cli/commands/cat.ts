import { CliError, usageError } from '../cli-error.ts';
import { loadEntry, parseAddress } from '../collection.ts';
import type { Command, Given } from '../command.ts';
import { printFile } from '../get/print-file.ts';
import { FEW_RETRIES, quickRetryPolicy } from '../retries.ts';
import { openSession } from '../session.ts';
import { showName } from '../terminal.ts';

export const cat: Command = {
  name: 'cat',
  summary: 'write files of collections to standard output',
  usage: 'COLLECTION/FILE...',
  options: { retries: FEW_RETRIES },
  help: 'Every block is checked against its hash before anything of it is written.',
  run: runCat,
};

async function runCat(given: Given): Promise<number> {
  if (given.arguments.length === 0) throw usageError('Which file? See: keep-edge cat --help');
  const addresses = given.arguments.map(parseAddress);
  const session = openSession({ retry: quickRetryPolicy(given) });
  try {
    for (const address of addresses) {
      const { id, path } = address;
      const entry = await loadEntry(session.api, address);
      if (entry.kind === 'directory') throw new CliError(`${showName(path || id)} is a directory: name a file in it.`);
      await printFile(session.keep, entry, process.stdout);
    }
    return 0;
  } finally {
    session.close();
  }
}
