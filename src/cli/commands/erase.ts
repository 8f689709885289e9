import { usageError } from '../cli-error.ts';
import type { Command, Given } from '../command.ts';
import { FEW_RETRIES, quickRetryPolicy } from '../retries.ts';
import { openSession } from '../session.ts';
import { print } from '../terminal.ts';

export const erase: Command = {
  name: 'erase',
  summary: 'a collection with its backups, at once and for ever (admins)',
  usage: 'UUID --yes',
  forms: { '': [1, 1] },
  options: {
    yes: { value: null, help: 'really: nothing brings it back' },
    retries: FEW_RETRIES,
  },
  help: `
Blocks that nothing else names are trashed by the next runs of keep-edge balance, and deleted when the trash is emptied.`,
  run: runErase,
};

async function runErase(given: Given): Promise<number> {
  const [uuid = ''] = given.arguments;
  if (!given.has('yes')) throw usageError('An erased collection is gone for ever, backups and all: add --yes.');
  const session = openSession({ retry: quickRetryPolicy(given) });
  try {
    await session.api(`keep-edge/v1/collections/${encodeURIComponent(uuid)}`, { method: 'DELETE' });
    print(`${uuid} is erased.`);
    return 0;
  } finally {
    session.close();
  }
}
