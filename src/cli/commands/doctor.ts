import { isGateway } from '../../services/keep-service.ts';
import { CliError } from '../cli-error.ts';
import type { Command, Given } from '../command.ts';
import { createNodePlatform } from '../node-platform.ts';
import { openSession } from '../session.ts';
import { readSettings, type Settings } from '../settings.ts';
import { print } from '../terminal.ts';
import {
  checkApi,
  checkCache,
  checkClock,
  checkCopies,
  checkToken,
  type Finding,
  messageOf,
  ONE_TRY,
} from './doctor-checks.ts';
import { checkGateways } from './doctor-gateways.ts';
import { checkService } from './doctor-service.ts';

const MIB = 2 ** 20;
const MAX_TEST_MIB = 64;
const DEFAULT_TEST_MIB = 8;

export const doctor: Command = {
  name: 'doctor',
  summary: 'check settings, credentials, clock, services and speed, and say what to do',
  usage: '[options]',
  options: {
    'no-write': { value: null, help: 'store no test block' },
    mib: { value: 'N', help: `size of the test block in MiB (${DEFAULT_TEST_MIB}, at most ${MAX_TEST_MIB})` },
  },
  help: `
Stores one block of random data at each service and reads it back; no collection refers to it, so the cluster's garbage
collection removes it. Volumes are shown only if ARVADOS_API_TOKEN is the system root token.

Exit code 1 when there is a problem.`,
  run: runDoctor,
};

const MARKS = { good: 'ok  ', bad: 'BAD ', unknown: '?   ' } as const;

async function runDoctor(given: Given): Promise<number> {
  let attention = 0;
  const tell = ({ state, what, advice }: Finding): boolean => {
    print(`${MARKS[state]} ${what}`);
    if (advice !== undefined) print(`     ${advice}`);
    if (state === 'bad') attention++;
    return state !== 'bad';
  };
  const bytes = Math.min(given.count('mib') ?? DEFAULT_TEST_MIB, MAX_TEST_MIB) * MIB;
  const settings = settingsFor(tell);
  if (settings !== null) await examine(settings, given.has('no-write') ? 0 : bytes, tell);
  print(attention === 0 ? 'All is well.' : `${attention} to look at.`);
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

/** @param testBytes size of the test block; 0 for none */
async function examine(settings: Settings, testBytes: number, tell: (finding: Finding) => boolean): Promise<void> {
  const session = openSession({ settings, retry: ONE_TRY });
  const platform = createNodePlatform({ insecure: settings.insecure });
  try {
    tell(checkCache());
    if (!tell(await checkApi(session))) return;
    tell(await checkClock(settings, platform.transport));
    const { finding, mayRead } = await checkToken(session.api);
    // Every service refuses a token that the API server refuses.
    if (!tell(finding)) return;
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
