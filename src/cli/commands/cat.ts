import { CliError } from '../cli-error.ts';
import { loadEntry, parseAddress } from '../collection.ts';
import type { Command, Given } from '../command.ts';
import { printFile } from '../get/print-file.ts';
import { WHOLE_BLOCKS, WHOLE_BLOCKS_OPTION } from '../get/whole-blocks.ts';
import { FEW_RETRIES, quickRetryPolicy } from '../retries.ts';
import { openSession } from '../session.ts';
import { showName } from '../terminal.ts';

export const cat: Command = {
  name: 'cat',
  summary: 'write files of collections to standard output',
  usage: 'COLLECTION/FILE...',
  forms: { '': [1, Infinity] },
  options: { [WHOLE_BLOCKS]: WHOLE_BLOCKS_OPTION, retries: FEW_RETRIES },
  help: `
Every block is checked against its hash before anything of it is written; a small part of a large block is checked and
sent by the service.`,
  run: runCat,
};

async function runCat(given: Given): Promise<number> {
  const addresses = given.arguments.map(parseAddress);
  const session = openSession({ retry: quickRetryPolicy(given) });
  try {
    for (const address of addresses) {
      const { id, path } = address;
      const { record, entry } = await loadEntry(session.api, address);
      if (entry.kind === 'directory') throw new CliError(`${showName(path || id)} is a directory: name a file in it.`);
      const ranges = given.has(WHOLE_BLOCKS) ? null : session.rangeReader(String(record.portable_data_hash));
      await printFile(session.keep, { path, file: entry, ranges }, process.stdout);
    }
    return 0;
  } finally {
    session.close();
  }
}
