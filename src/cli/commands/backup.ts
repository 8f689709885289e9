import type { Command, Given } from '../command.ts';
import { FEW_RETRIES, quickRetryPolicy } from '../retries.ts';
import { openSession } from '../session.ts';
import { print, printJson } from '../terminal.ts';

export const backup: Command = {
  name: 'backup',
  summary: 'write all accounts to the bucket as one snapshot, or tell what is there (admins)',
  usage: '[--status]',
  forms: { '': [0, 0], '--status': [0, 0] },
  options: {
    status: { value: null, help: 'only tell what is there' },
    json: { value: null, help: 'what the service answers' },
    retries: FEW_RETRIES,
  },
  help: `
Nothing depends on this command: every change of a collection or an account is in the bucket MANIFESTS before it is
acknowledged, and the cron writes snapshots. Use it after D1 Time Travel, or before an upgrade.

Exit code 1: something is not in the bucket yet.`,
  run: runBackup,
};

async function runBackup(given: Given): Promise<number> {
  const session = openSession({ retry: quickRetryPolicy(given) });
  try {
    if (given.form !== '--status') while ((await session.api('keep-edge/v1/backup', { method: 'POST' })).done !== true);
    const status = await session.api('keep-edge/v1/backup');
    const { snapshot, changes_since, pending, collections_complete, restoring } = status;
    if (given.has('json')) printJson(status);
    else {
      const taken = snapshot as { at: string; rows: number } | null;
      print(
        taken === null
          ? 'There is no snapshot of accounts yet.'
          : `The last snapshot of accounts is of ${taken.at}: ${taken.rows} rows.`,
      );
      print(`Changes since: ${changes_since} objects. Not written yet: ${pending} changes.`);
      if (collections_complete !== true)
        print('Collections from before the upgrade are still being written, by the cron: 200 every five minutes.');
      if (restoring === true) print('A restore is under way: repeat keep-edge restore.');
    }
    return snapshot !== null && pending === 0 && restoring !== true && collections_complete === true ? 0 : 1;
  } finally {
    session.close();
  }
}
