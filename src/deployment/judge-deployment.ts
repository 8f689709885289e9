import { plural } from '../keep/human-format.ts';
import type { Facts, Finding } from './finding.ts';
import { judgeCache, judgeSecrets, judgeSettings, judgeVolumes } from './judge-settings.ts';
import { judgeWork } from './judge-work.ts';

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

/** @param at.now Unix milliseconds */
export function judgeDeployment(facts: Facts, { apiUrl, now }: { apiUrl: string; now: number }): Finding[] {
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

function judgeBindings({ bindings, mode, settings }: Facts): Finding[] {
  const bound = bindings as Record<string, boolean>;
  const { webhooks, gateways } = settings as Facts;
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

function judgeDatabase({ binding, missing, newer, error }: Facts): Finding {
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

function rowsOf(value: unknown): Facts[] {
  return Array.isArray(value) ? (value as Facts[]) : [];
}
