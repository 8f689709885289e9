import { createHash } from 'node:crypto';
import { formatBytes, plural } from '../../keep/human-format.ts';
import { checkFile } from '../check/check-state.ts';
import { type CheckResult, runCheck } from '../check/run-check.ts';
import { CliError, usageError } from '../cli-error.ts';
import { isCollectionUuid } from '../collection.ts';
import type { Command, Given } from '../command.ts';
import { RETRIES, retryPolicy } from '../retries.ts';
import { openSession } from '../session.ts';
import { note, oneLine, print, printJson } from '../terminal.ts';

export const check: Command = {
  name: 'check',
  summary: 'is every block of every collection there, and right?',
  usage: '[UUID...]',
  forms: { '': [0, Infinity], '--whole': [0, Infinity] },
  options: {
    whole: { value: null, help: 'read every block and hash it; otherwise ask for each, and read a sample' },
    sample: { value: 'N', forms: [''], help: 'blocks of the sample that is read and hashed (200); 0 for none' },
    jobs: { value: 'N', short: 'j', help: 'blocks at once (8)' },
    'no-resume': { value: null, help: 'start over: forget what an interrupted check has done' },
    json: { value: null, help: 'the result as JSON' },
    quiet: { value: null, short: 'q', help: 'no progress' },
    retries: RETRIES,
  },
  help: `
Without UUIDs: all collections that you may read, so use an admin's token. Each block is asked for once, whichever
collections name it. Interrupted? The same command goes on,
and so it does when something could not be looked at: it tries that again.

A block is LOST when every service says that it is not there, or that its content is wrong. A service that does not answer
says nothing: what it may have was "not looked at". The end says what was looked at and what was not, and how sure that makes
one. Trash, past versions and backups are not looked at; keep-edge balance compares all blocks with all that names them, in
the service itself, without reading them.

Exit code 1: a block is lost. 3: none is known to be lost, but not all could be looked at. 0: all is there.`,
  run: runCheckCommand,
};

/** Nothing is known to be lost, but not all could be looked at. */
const EXIT_NOT_SEEN = 3;
const NOT_LOOKED_AT = [
  'trash',
  'past versions',
  'backups',
  'collections that this token may not read',
  'blocks that no collection names',
];

async function runCheckCommand(given: Given): Promise<number> {
  const whole = given.form === '--whole';
  const bad = given.arguments.find((uuid) => !isCollectionUuid(uuid));
  if (bad !== undefined) throw usageError(`${oneLine(bad)} is not the UUID of a collection (xxxxx-4zz18-...).`);
  const session = openSession({ retry: retryPolicy(given), pastCaches: true });
  const kind = createHash('md5').update(session.settings.token).digest('hex').slice(0, 8);
  let result: CheckResult | null = null;
  try {
    result = await runCheck({
      session,
      file: checkFile([session.settings.apiUrl, kind, whole ? 'whole' : '', ...given.arguments]),
      resume: !given.has('no-resume'),
      uuids: given.arguments,
      whole,
      sample: whole ? 0 : (given.count('sample', 0) ?? 200),
      jobs: given.count('jobs') ?? 8,
      quiet: given.has('quiet'),
    });
    if (given.has('json')) printJson(inJson(result, whole));
    else describe(result, whole);
    const isAllSeen = result.notSeenBlocks + result.notSeenCollections === 0 && !result.isBroken;
    if (isAllSeen) result.state.end();
    if (result.state.counts.lost > 0) return 1;
    return isAllSeen ? 0 : EXIT_NOT_SEEN;
  } catch (error) {
    // 1 says that a block is lost.
    if (error instanceof CliError && error.exitCode !== 1) throw error;
    throw new CliError(error instanceof Error ? error.message : String(error), EXIT_NOT_SEEN);
  } finally {
    result?.state.close();
    session.close();
  }
}

function inJson(result: CheckResult, whole: boolean) {
  const { state, notSeen, notSeenBlocks, notSeenCollections, isBroken } = result;
  return {
    ...state.counts,
    whole,
    begun_at: state.begunAt,
    confidence: confidence(result, whole),
    lost: state.lost,
    lost_blocks: state.counts.lost,
    not_reached: { blocks: notSeenBlocks, collections: notSeenCollections, gave_up: isBroken, examples: notSeen },
    not_looked_at: NOT_LOOKED_AT,
  };
}

function describe(result: CheckResult, whole: boolean): void {
  const { state, notSeenBlocks, notSeenCollections, isBroken } = result;
  const { counts, lost } = state;
  for (const { locator, what, collection } of lost) print(oneLine(`LOST ${locator}, of ${collection}: ${what}`));
  const found = counts.lost === 0 ? 'none lost' : `${counts.lost} LOST`;
  print(
    `${plural(counts.collections, 'collection')}, ${plural(counts.blocks, 'block')} of ${formatBytes(counts.bytes)}; ${plural(counts.read, 'block')} read and hashed; ${found}.`,
  );
  print(confidence(result, whole));
  if (state.before > 0)
    print(`${plural(state.before, 'block')} of these were looked at before, since ${state.begunAt}.`);
  if (notSeenBlocks + notSeenCollections > 0)
    print(
      `Could not be looked at: ${plural(notSeenBlocks, 'block')}, and ${plural(notSeenCollections, 'collection')}, for the reasons above. They may be well: the same command tries them again.`,
    );
  if (isBroken) print('Nothing answered any more, so the rest was not tried. The same command goes on.');
  note(`Not looked at: ${NOT_LOOKED_AT.join(', ')}.`);
}

/** What a sample without a fault says: fewer than 3 in n are wrong, with 95 % certainty. */
function confidence({ state: { counts }, isBroken, notSeenBlocks }: CheckResult, whole: boolean): string {
  const seen = isBroken || notSeenBlocks > 0 ? 'Every block that could be looked at' : 'Every block';
  if (counts.blocks === 0) return 'No block was looked at.';
  if (counts.lost > 0) return `${seen} was asked for; all but those that are lost are there.`;
  if (whole || (counts.read > 0 && counts.read >= counts.blocks))
    return `${seen} was read whole and has the MD5 that it is named by.`;
  if (counts.read === 0) return `${seen} is there; that its content is right was not looked at.`;
  const share = Math.min(1, 3 / counts.read);
  return `${seen} is there. Of ${counts.read} chosen at random all are right: with 95 % certainty fewer than ${(share * 100).toFixed(1)} % of the others are wrong.`;
}
