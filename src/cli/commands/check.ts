import { createHash } from 'node:crypto';
import { type CheckState, checkFile, openCheckState } from '../check/check-state.ts';
import { runCheck } from '../check/run-check.ts';
import { usageError } from '../cli-error.ts';
import type { Command, Given } from '../command.ts';
import { formatBytes, plural } from '../human-format.ts';
import { RETRIES, retryPolicy } from '../retries.ts';
import { openSession } from '../session.ts';
import { note, oneLine, print, printJson } from '../terminal.ts';

export const check: Command = {
  name: 'check',
  summary: 'is every block of every collection there, and right?',
  usage: '[UUID...]',
  options: {
    whole: { value: null, help: 'read every block and hash it; otherwise ask for each, and read a sample' },
    sample: { value: 'N', help: 'blocks of the sample that is read and hashed (200); 0 for none' },
    jobs: { value: 'N', short: 'j', help: 'blocks at once (8)' },
    'no-resume': { value: null, help: 'start over: forget what an interrupted check has done' },
    json: { value: null, help: 'the result as JSON' },
    quiet: { value: null, short: 'q', help: 'no progress' },
    retries: RETRIES,
  },
  help: `
Without UUIDs: all collections that you may read, so use an admin's token. Each block is asked for once, whichever
collections name it. Interrupted? The same command goes on.

The end says what was looked at and what was not, and how sure that makes one. Trash, past versions and backups are not
looked at; keep-edge balance compares all blocks with all that names them, in the service itself, without reading them.

Exit code 1 when a block is missing or wrong, or could not be looked at.`,
  run: runCheckCommand,
};

async function runCheckCommand(given: Given): Promise<number> {
  const whole = given.has('whole');
  if (whole && given.text('sample') !== undefined) throw usageError('--whole reads all blocks: it takes no --sample.');
  const session = openSession({ retry: retryPolicy(given), pastCaches: true });
  const kind = createHash('md5').update(session.settings.token).digest('hex').slice(0, 8);
  const state = openCheckState(checkFile([session.settings.apiUrl, kind, whole ? 'whole' : '', ...given.arguments]), {
    resume: !given.has('no-resume'),
  });
  try {
    await runCheck({
      session,
      state,
      uuids: given.arguments,
      whole,
      sample: whole ? 0 : (given.count('sample', 0) ?? 200),
      jobs: given.count('jobs') ?? 8,
      quiet: given.has('quiet'),
    });
    const { counts, lost } = state;
    const isGood = lost.length === 0 && counts.unreadable === 0;
    if (given.has('json')) printJson({ ...counts, whole, confidence: confidence(state, whole), lost });
    else describe(state, whole);
    state.end();
    return isGood ? 0 : 1;
  } finally {
    state.close();
    session.close();
  }
}

function describe(state: CheckState, whole: boolean): void {
  const { counts, lost } = state;
  for (const { locator, what, collection } of lost) print(oneLine(`LOST ${locator}, of ${collection}: ${what}`));
  print(
    `${plural(counts.collections, 'collection')}, ${plural(counts.blocks, 'block')} of ${formatBytes(counts.bytes)}; ${plural(counts.read, 'block')} read and hashed; ${lost.length === 0 ? 'none lost' : `${lost.length} LOST`}.`,
  );
  print(confidence(state, whole));
  if (counts.unreadable > 0) print(`${plural(counts.unreadable, 'collection')} could not be read: see above.`);
  note(
    'Not looked at: trash, past versions, backups, collections that this token may not read, blocks that none names.',
  );
}

/** What a sample without a fault says: fewer than 3 in n are wrong, with 95 % certainty. */
function confidence({ counts, lost }: CheckState, whole: boolean): string {
  if (whole) return 'Every block was read whole and has the MD5 that it is named by.';
  if (counts.read === 0) return 'Every block is there; that its content is right was not looked at.';
  if (counts.read >= counts.blocks) return 'Every block was read and has the MD5 that it is named by.';
  if (lost.length > 0) return 'Every block was asked for; of those read, see above.';
  const share = Math.min(1, 3 / counts.read);
  return `Every block is there. Of ${counts.read} chosen at random in this run all are right: with 95 % certainty fewer than ${(share * 100).toFixed(1)} % of the others are wrong.`;
}
