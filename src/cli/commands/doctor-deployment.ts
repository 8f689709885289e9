import type { Transport } from '../../services/transport.ts';
import { type Api, ApiError, type Row } from '../api-client.ts';
import { plural } from '../human-format.ts';
import { ask, type Finding } from './doctor-checks.ts';
import { checkConfigFile } from './doctor-config-file.ts';
import { isLoopback, judgeCache, judgeSecrets, judgeSettings, judgeVolumes } from './doctor-settings.ts';
import { judgeWork } from './doctor-work.ts';

/** Bindings that a service of a mode cannot do without, and what is missing without the others. */
const NEEDED: Record<string, string[]> = {
  own: ['DB', 'MANIFESTS', 'PULL_QUEUE', 'TRASH_QUEUE', 'COLLECTION', 'BALANCER'],
  cluster: ['PULL_QUEUE', 'TRASH_QUEUE'],
  proxy: [],
};
const WANTED: Record<string, string> = {
  SEARCH: 'searches look at every record',
  DIRECTORY: 'other clusters are asked for their services again and again',
  ASSETS: 'the pages for people have no scripts',
  COLLECTION: 'files cannot be written',
  REPAIR_QUEUE: 'bad copies are not replaced',
  FIGURES: '/metrics is a sample of one isolate',
};
const DATABASES: Record<string, string> = { DB: 'keep-edge', SEARCH: 'keep-edge-search', LOGS_DB: 'keep-edge-logs' };

export interface DeploymentCheck {
  apiUrl: string;
  /** Also try to write to each volume. */
  write: boolean;
  transport: Transport;
  /** The wrangler.toml that was deployed; null: the one in the current directory. */
  configFile: string | null;
}

/** What the service says of its own deployment. Nothing on other kinds of servers. */
export async function checkDeployment(
  api: Api,
  { apiUrl, write, transport, configFile }: DeploymentCheck,
): Promise<Finding[]> {
  try {
    const facts = await api('keep-edge/v1/deployment', { method: write ? 'POST' : 'GET', patient: false });
    if (facts.bindings === undefined) return [];
    return [
      ...judgeDeployment(facts, { apiUrl, now: Date.now() }),
      ...(await checkOwnHosts(facts, transport)),
      ...(isLoopback(apiUrl) && configFile === null ? [] : checkConfigFile(configFile)),
    ];
  } catch (error) {
    const status = error instanceof ApiError ? error.status : null;
    if (status === 404) return [];
    if (status === 403 || status === 401)
      return [{ state: 'unknown', what: "deployment: not looked at, because only an admin's token is told about it" }];
    const what = error instanceof Error ? error.message : String(error);
    return [{ state: 'bad', what: `deployment: ${what}`, advice: 'npx wrangler tail shows what failed.' }];
  }
}

/** Whether a host of a collection's own leads to a service: that takes a wildcard DNS record, a certificate and a route. */
async function checkOwnHosts({ settings }: Row, transport: Transport): Promise<Finding[]> {
  const { collectionsUrl } = settings as Row;
  if (typeof collectionsUrl !== 'string') return [];
  try {
    const { body } = await ask(`${exampleOfHosts(collectionsUrl)}/`, transport);
    await body?.cancel();
    return [{ state: 'good', what: `collections' own hosts: ${collectionsUrl} answers` }];
  } catch (error) {
    return [
      {
        state: 'bad',
        what: `collections' own hosts: ${collectionsUrl}: ${error instanceof Error ? error.message : String(error)}`,
        advice: 'They need a wildcard DNS record, a certificate for it and a route: docs/operate.md, Choose the host.',
      },
    ];
  }
}

/** @param at.now Unix milliseconds */
export function judgeDeployment(facts: Row, { apiUrl, now }: { apiUrl: string; now: number }): Finding[] {
  return [
    ...judgeBindings(facts),
    ...rowsOf(facts.databases).map(judgeDatabase),
    ...judgeSecrets(rowsOf(facts.secrets)),
    ...judgeSettings(facts),
    judgeCache(facts, apiUrl),
    ...judgeVolumes(facts),
    ...judgeWork(facts, now),
  ];
}

function judgeBindings({ bindings, mode, settings }: Row): Finding[] {
  const bound = bindings as Record<string, boolean>;
  const { webhooks, gateways } = settings as Row;
  const needed = [
    ...(NEEDED[String(mode)] ?? []),
    ...(Number(webhooks) > 0 ? ['WEBHOOK_QUEUE'] : []),
    ...(Number(gateways) > 0 ? ['PLACES', 'ADOPTION'] : []),
  ];
  const missing = needed.filter((name) => bound[name] !== true);
  const wanted = Object.keys(WANTED).filter(
    (name) =>
      bound[name] !== true && !missing.includes(name) && (mode === 'own' || !['SEARCH', 'COLLECTION'].includes(name)),
  );
  const there = Object.keys(bound).filter((name) => bound[name] === true);
  return [
    { state: 'good', what: `bindings: ${there.join(', ') || 'none'}` },
    ...missing.map(
      (name): Finding => ({
        state: 'bad',
        what: `bindings: ${name} is missing`,
        advice: `Bind it as in the repository's wrangler.toml, and deploy.`,
      }),
    ),
    ...wanted.map((name): Finding => ({ state: 'unknown', what: `bindings: without ${name} ${WANTED[name]}` })),
  ];
}

function judgeDatabase({ binding, missing, newer, error }: Row): Finding {
  const name = DATABASES[String(binding)] ?? String(binding);
  if (error !== undefined)
    return {
      state: 'bad',
      what: `database ${binding}: ${error}`,
      advice: `Is database_id right? npx wrangler d1 info ${name}`,
    };
  const [absent, more] = [missing as string[], newer as string[]];
  if (absent.length > 0)
    return {
      state: 'bad',
      what: `database ${binding}: ${plural(absent.length, 'migration')} not applied: ${absent.join(', ')}`,
      advice: `npx wrangler d1 migrations apply ${name} --remote`,
    };
  if (more.length === 0) return { state: 'good', what: `database ${binding}: all migrations are applied` };
  const what = `database ${binding}: has migrations of a newer version: ${more.join(', ')}`;
  return { state: 'unknown', what: `${what}; this version runs on them` };
}

/** An address of a host of collections' own, from WEBDAV. */
function exampleOfHosts(collectionsUrl: string): string {
  return collectionsUrl.replace('*', 'xxxxx-4zz18-000000000000000');
}

function rowsOf(value: unknown): Row[] {
  return Array.isArray(value) ? (value as Row[]) : [];
}
