import { createHash, randomFillSync } from 'node:crypto';
import { accessSync, constants, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { createKeepClient } from '../../services/keep-client.ts';
import { isGateway, type KeepService } from '../../services/keep-service.ts';
import { fixedServices } from '../../services/service-source.ts';
import { sourceOfBytes } from '../../services/write.ts';
import { type Api, createApi, type Row } from '../api-client.ts';
import type { Command, Given } from '../command.ts';
import { formatBytes } from '../format.ts';
import { createNodePlatform } from '../node-platform.ts';
import { checkpointFile } from '../put/checkpoint.ts';
import { openSession, type Session } from '../session.ts';
import { readSettings, type Settings } from '../settings.ts';

export const doctor: Command = {
  name: 'doctor',
  summary: 'check settings, credentials, clock, services and speed, and say what to do',
  usage: '[options]',
  options: {
    'no-write': { value: null, help: 'store no test block' },
    bytes: { value: 'N', help: 'MiB of the test block (8, at most 64)' },
  },
  help: `
Stores one block of random data at each service and reads it back; no collection refers to it, so the cluster's garbage
collection takes it away. Volumes are shown to whoever has the system root token in ARVADOS_API_TOKEN.

Exit code 1 when something needs attention.`,
  run: runDoctor,
};

/** No patience: an outage is what we are looking for. */
const ONE_TRY = { rounds: 1, firstPauseMs: 0, maxPauseMs: 0 };
const MAX_SKEW_SECONDS = 60;
const MIB = 2 ** 20;
const MAX_TEST_MIB = 64;
const DEFAULT_TEST_MIB = 8;

type Finding = { ok: boolean; what: string; advice?: string };

async function runDoctor(given: Given): Promise<number> {
  let attention = 0;
  const tell = ({ ok, what, advice }: Finding) => {
    console.log(`${ok ? 'ok  ' : 'BAD '} ${what}`);
    if (advice !== undefined) console.log(`     ${advice}`);
    if (!ok) attention++;
  };
  const settings = readSettings();
  tell({ ok: true, what: `settings: ${settings.apiUrl}${settings.insecure ? ', any certificate accepted' : ''}` });
  tell(checkCache());
  const session = openSession(settings, ONE_TRY);
  const platform = createNodePlatform({ insecure: settings.insecure });
  try {
    const reached = await attempt('API server', () => checkApi(session));
    tell(reached);
    if (!reached.ok) return 1;
    tell(await attempt('clock', () => checkClock(settings, platform.transport)));
    tell(await attempt('token', () => checkToken(session.api)));
    const found = await session.services.list().catch((error: unknown) => {
      tell({ ok: false, what: `Keep services: ${messageOf(error)}` });
      return [];
    });
    if (found.length === 0)
      tell({
        ok: false,
        what: 'Keep services: none',
        advice: 'The API server lists no service for you: ask its operator, or set ARVADOS_KEEP_SERVICES.',
      });
    for (const service of found.filter((each) => !isGateway(each))) {
      for (const finding of await checkService(service, settings, platform, given)) tell(finding);
    }
  } finally {
    session.close();
    platform.close();
  }
  console.log(attention === 0 ? 'All is well.' : `${attention} to look at.`);
  return attention === 0 ? 0 : 1;
}

async function attempt(what: string, check: () => Promise<Finding>): Promise<Finding> {
  return check().catch((error: unknown) => ({ ok: false, what: `${what}: ${messageOf(error)}` }));
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function checkCache(): Finding {
  const directory = dirname(checkpointFile([]));
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    accessSync(directory, constants.W_OK);
    return { ok: true, what: `checkpoints of uploads: ${directory}` };
  } catch (error) {
    const advice = 'Without it no upload can be resumed: set XDG_CACHE_HOME to a directory that you can write.';
    return { ok: false, what: `checkpoints of uploads: ${messageOf(error)}`, advice };
  }
}

async function checkApi(session: Session): Promise<Finding> {
  const before = performance.now();
  const { clusterId, replication, signatureTtlSeconds } = await session.facts();
  const ms = Math.round(performance.now() - before);
  const facts = `cluster ${clusterId}, ${replication} copies, signatures for ${signatureTtlSeconds / 3600} h`;
  return { ok: true, what: `API server: answers in ${ms} ms, ${facts}` };
}

async function checkClock(
  { apiUrl }: Settings,
  transport: ReturnType<typeof createNodePlatform>['transport'],
): Promise<Finding> {
  const response = await transport.send({
    method: 'GET',
    url: `${apiUrl}/discovery/v1/apis/arvados/v1/rest`,
    headers: {},
    connectTimeoutMs: 10_000,
    signal: AbortSignal.timeout(20_000),
  });
  await response.body?.cancel();
  const date = Date.parse(response.headers.get('Date') ?? '');
  if (Number.isNaN(date)) return { ok: true, what: 'clock: the server does not say what time it is' };
  const skew = Math.round((Date.now() - date) / 1000);
  if (Math.abs(skew) <= MAX_SKEW_SECONDS) return { ok: true, what: 'clock: the same as the server’s' };
  const advice = 'Set the clock (NTP): signatures are judged by it.';
  return { ok: false, what: `clock: ${Math.abs(skew)} s ${skew > 0 ? 'ahead of' : 'behind'} the server's`, advice };
}

async function checkToken(api: Api): Promise<Finding> {
  const user = await api('arvados/v1/users/current');
  const who = [user.full_name ?? user.username, user.email, user.uuid].filter(Boolean).join(', ');
  if (user.is_active === false)
    return { ok: false, what: `token: ${who} is not active`, advice: 'Ask an admin to activate the account.' };
  return {
    ok: true,
    what: `token: ${who}${user.is_admin === true ? ', admin' : ''}${user.is_uploader === true ? ', may only upload' : ''}`,
  };
}

async function checkService(
  service: KeepService,
  settings: Settings,
  platform: ReturnType<typeof createNodePlatform>,
  given: Given,
): Promise<Finding[]> {
  const keep = createKeepClient({
    services: fixedServices([service]),
    token: settings.token,
    platform,
    retry: ONE_TRY,
  });
  const findings = await mountFindings(service, settings);
  if (service.readOnly || given.has('no-write')) return findings;
  const bytes = randomFillSync(new Uint8Array(Math.min(given.count('bytes') ?? DEFAULT_TEST_MIB, MAX_TEST_MIB) * MIB));
  const hash = createHash('md5').update(bytes).digest('hex');
  const rate = (since: number) =>
    `${formatBytes(Math.round((bytes.byteLength * 1000) / (performance.now() - since)))}/s`;
  try {
    let since = performance.now();
    const { locator, replicas } = await keep.put(sourceOfBytes(hash, bytes), { replicas: 1 });
    findings.push({
      ok: true,
      what: `${service.url}: writes ${formatBytes(bytes.byteLength)} at ${rate(since)}, ${replicas} copies`,
    });
    since = performance.now();
    await keep.getVerified(locator);
    findings.push({ ok: true, what: `${service.url}: reads it back at ${rate(since)}` });
  } catch (error) {
    findings.push({ ok: false, what: messageOf(error), advice: adviceFor(messageOf(error)) });
  }
  return findings;
}

function adviceFor(message: string): string {
  if (/40[13]/.test(message)) return 'The token may not do this: an uploader, for one, may write and not read.';
  if (/503|507/.test(message)) return "The service's volumes fail or are full: its log says which, and why.";
  return 'Can this machine reach that address? A proxy or a firewall may be in between.';
}

/** Only root may look at volumes; anybody else is told nothing. */
async function mountFindings({ url }: KeepService, settings: Settings): Promise<Finding[]> {
  const api = createApi({ ...settings, apiUrl: url }, { retry: ONE_TRY });
  try {
    const mounts = (await api('mounts')) as unknown as Row[];
    if (mounts.length === 0)
      return [
        { ok: false, what: `${url}: has no volumes`, advice: 'Add tables below [vars.VOLUMES] to wrangler.toml.' },
      ];
    return mounts.map((mount) => {
      const rights = `${mount.allow_write === true ? 'writable' : 'read-only'}, ${mount.replication} copies`;
      return { ok: true, what: `${url}: volume ${mount.uuid}, ${mount.device_id}, ${rights}` };
    });
  } catch {
    return [];
  } finally {
    api.close();
  }
}
