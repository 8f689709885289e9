import type { Api, Row } from '../api-client.ts';
import type { Command, Given } from '../command.ts';
import { errorScreen } from '../progress.ts';
import { FEW_RETRIES, quickRetryPolicy } from '../retries.ts';
import { openSession } from '../session.ts';
import { note, oneLine, print, printJson } from '../terminal.ts';

export const restore: Command = {
  name: 'restore',
  summary: 'rebuild a lost database from the bucket, or bring back a deleted collection (admins)',
  usage: '[UUID]',
  forms: { '': [0, 1] },
  options: {
    json: { value: null, help: 'what the service answers' },
    retries: FEW_RETRIES,
  },
  help: `
Without a UUID: fills an empty database (migrations applied) from the bucket MANIFESTS alone, and says up to which moment.
Use the root token: no other works before the end. It can be interrupted and repeated. Then check the blocks:

  ARVADOS_API_TOKEN=$SYSTEM_ROOT_TOKEN keep-edge restore && keep-edge check

With a UUID: brings back a collection that was deleted less than BACKUP_LIFETIME ago. Links to it are not made again.

Exit code 1: something could not be restored as it was.`,
  run: runRestore,
};

async function runRestore(given: Given): Promise<number> {
  const [uuid] = given.arguments;
  const session = openSession({ retry: quickRetryPolicy(given) });
  try {
    if (uuid === undefined) return await restoreAll(session.api, given.has('json'));
    const restored = await session.api(`keep-edge/v1/restore/${encodeURIComponent(uuid)}`, { method: 'POST' });
    if (given.has('json')) printJson(restored);
    else print(`${uuid} is back: ${oneLine(String(restored.name ?? ''))}`);
    return 0;
  } finally {
    session.close();
  }
}

async function restoreAll(api: Api, asJson: boolean): Promise<number> {
  const screen = errorScreen();
  let state: Row;
  let phase = '';
  do {
    state = await api('keep-edge/v1/restore', { method: 'POST' });
    const counts = countsOf(state);
    if (screen.isTTY) screen.write(`\r\x1b[K${oneLine(`${state.phase}: ${counts}`).slice(0, screen.columns - 1)}`);
    else if (state.phase !== phase) note(`${state.phase}: ${counts}`);
    phase = String(state.phase);
  } while (phase !== 'done');
  if (screen.isTTY) screen.write('\r\x1b[K');
  const problems = state.problems as string[];
  if (asJson) printJson(state);
  else {
    print(`Restored to ${state.moment}: ${countsOf(state)}.`);
    if (state.unproven !== null)
      print(
        `All tokens are disabled, because it cannot be told which were revoked: ${state.unproven}. Make new ones with the root token.`,
      );
    for (const problem of problems) print(oneLine(problem));
  }
  return problems.length > 0 || state.unproven !== null ? 1 : 0;
}

function countsOf({ counts }: Row): string {
  const pairs = Object.entries(counts as Record<string, number>);
  return (
    pairs.map(([name, count]) => `${count.toLocaleString('en-US')} ${name.replace('_', ' ')}`).join(', ') ||
    'nothing yet'
  );
}
