import type { Finding } from '../../deployment/finding.ts';
import { isGateway } from '../../services/keep-service.ts';
import { CliError } from '../cli-error.ts';
import type { Command, Given } from '../command.ts';
import { createNodePlatform } from '../node-platform.ts';
import { openSession } from '../session.ts';
import { readSettings, type Settings } from '../settings.ts';
import { oneLine, print, printJson } from '../terminal.ts';
import { checkApi, checkCache, checkClock, checkCopies, checkToken, messageOf, ONE_TRY } from './doctor-checks.ts';
import { checkDeployment } from './doctor-deployment.ts';
import { checkGateways } from './doctor-gateways.ts';
import { checkService } from './doctor-service.ts';

const MIB = 2 ** 20;
const MAX_TEST_MIB = 64;
const DEFAULT_TEST_MIB = 8;

export const doctor: Command = {
  name: 'doctor',
  summary: 'check settings, credentials, clock, services and speed, and say what to do',
  usage: '[options]',
  forms: { '': [0, 0], '--no-write': [0, 0] },
  options: {
    'no-write': { value: null, help: 'store no test block, and nothing in volumes' },
    mib: {
      value: 'N',
      forms: [''],
      help: `size of the test block in MiB (${DEFAULT_TEST_MIB},\nat most ${MAX_TEST_MIB})`,
    },
    wrangler: {
      value: 'FILE',
      help: 'the deployed wrangler.toml (that of this directory, if there is one)',
      files: true,
    },
    json: { value: null, help: 'findings as JSON, one a line' },
  },
  help: `
Stores one block of random data at each service and reads it back; no collection refers to it, so the cluster's garbage
collection removes it. With an admin's token it looks at the deployment, too: bindings, migrations, secrets (never their
values), cron, queues, balancing, backups, the edge cache, and each volume, to which it writes a byte and deletes it.
"BAD" is a problem and comes with what to do; "?" is worth a look, or could not be looked at.

Exit code 1 when there is a problem.`,
  run: runDoctor,
};

const MARKS = { good: 'ok  ', bad: 'BAD ', unknown: '?   ' } as const;
const COLOURS = { good: 32, bad: 31, unknown: 33 } as const;

async function runDoctor(given: Given): Promise<number> {
  let attention = 0;
  const asJson = given.has('json');
  const colours = process.stdout.isTTY === true && !process.env.NO_COLOR;
  const tell = (finding: Finding): boolean => {
    const { state, what, advice } = finding;
    if (asJson) printJson(finding);
    else {
      const mark = colours ? `\x1b[${COLOURS[state]}m${MARKS[state]}\x1b[0m` : MARKS[state];
      process.stdout.write(`${mark} ${oneLine(what)}\n`);
      if (advice !== undefined) print(`     ${advice}`);
    }
    if (state === 'bad') attention++;
    return state !== 'bad';
  };
  const writes = given.form !== '--no-write';
  const testBytes = writes ? Math.min(given.count('mib') ?? DEFAULT_TEST_MIB, MAX_TEST_MIB) * MIB : 0;
  const settings = settingsFor(tell);
  const how = { testBytes, configFile: given.text('wrangler') ?? null };
  if (settings !== null) await examine(settings, how, tell);
  if (!asJson) print(attention === 0 ? 'All is well.' : `${attention} to look at.`);
  return attention === 0 ? 0 : 1;
}

function settingsFor(tell: (finding: Finding) => boolean): Settings | null {
  try {
    const settings = readSettings();
    tell({
      state: 'good',
      what: `settings: ${settings.apiUrl}${settings.insecure ? ', any certificate accepted' : ''}`,
    });
    return settings;
  } catch (error) {
    if (!(error instanceof CliError)) throw error;
    tell({ state: 'bad', what: `settings: ${error.message}` });
    return null;
  }
}

/** @param how.testBytes size of the test block; 0 for none, and nothing is written to volumes */
async function examine(
  settings: Settings,
  { testBytes, configFile }: { testBytes: number; configFile: string | null },
  tell: (finding: Finding) => boolean,
): Promise<void> {
  const session = openSession({ settings, retry: ONE_TRY });
  const platform = createNodePlatform({ insecure: settings.insecure });
  try {
    tell(checkCache());
    if (!tell(await checkApi(session, platform.transport))) return;
    tell(await checkClock(settings, platform.transport));
    const { finding, mayRead } = await checkToken(session.api);
    // Every service refuses a token that the API server refuses.
    if (!tell(finding)) return;
    const deployment = { apiUrl: settings.apiUrl, write: testBytes > 0, transport: platform.transport, configFile };
    for (const each of await checkDeployment(session.api, deployment)) tell(each);
    const found = await session.services.list().catch((error: unknown) => {
      tell({ state: 'bad', what: `Keep services: ${messageOf(error)}` });
      return null;
    });
    if (found?.length === 0)
      tell({
        state: 'bad',
        what: 'Keep services: none',
        advice: 'The API server lists no service for you: ask its operator, or set ARVADOS_KEEP_SERVICES.',
      });
    const copies: number[] = [];
    for (const service of (found ?? []).filter((each) => !isGateway(each))) {
      const examined = await checkService(service, { settings, platform, testBytes, mayRead });
      for (const each of examined.findings) tell(each);
      if (examined.copies !== null) copies.push(examined.copies);
    }
    if (copies.length > 0) tell(checkCopies(copies, await session.facts()));
    for (const found of await checkGateways(session.api)) tell(found);
  } finally {
    session.close();
    platform.close();
  }
}
