import { readFileSync } from 'node:fs';
import { parse } from 'smol-toml';
import type { Finding } from '../../deployment/finding.ts';

const NAME = 'wrangler.toml';
const PLACEHOLDER = /^[0-]+$/;

/**
 * What only the file that is deployed can tell: the service does not know whether its logs are kept.
 * @param file path of wrangler.toml; null: the one in the current directory, if there is one
 */
export function checkConfigFile(file: string | null): Finding[] {
  let text: string;
  try {
    text = readFileSync(file ?? NAME, 'utf8');
  } catch (error) {
    if (file !== null)
      return [{ state: 'bad', what: `${file}: ${error instanceof Error ? error.message : String(error)}` }];
    return [
      {
        state: 'unknown',
        what: `observability: the service cannot tell whether its logs are kept`,
        advice: `Run doctor where ${NAME} lies, or with --wrangler FILE; or look into the dashboard (Workers, Observability).`,
      },
    ];
  }
  return judgeConfigFile(text, file ?? NAME);
}

interface WranglerFile {
  observability?: { enabled?: boolean; logs?: { enabled?: boolean } };
  triggers?: { crons?: string[] };
  kv_namespaces?: { binding?: string; id?: string }[];
  d1_databases?: { binding?: string; database_id?: string }[];
}

/** @param text of a wrangler.toml */
export function judgeConfigFile(text: string, name: string): Finding[] {
  let file: WranglerFile;
  try {
    file = parse(text) as WranglerFile;
  } catch (error) {
    const [line = ''] = (error instanceof Error ? error.message : String(error)).split('\n');
    return [{ state: 'bad', what: `${name}: ${line}`, advice: 'npx wrangler deploy --dry-run shows where.' }];
  }
  const findings: Finding[] = [];
  const { observability, triggers, kv_namespaces = [], d1_databases = [] } = file;
  if (observability?.enabled === true || observability?.logs?.enabled === true)
    findings.push({ state: 'good', what: `observability: on, in ${name}` });
  else
    findings.push({
      state: 'bad',
      what: `observability: off in ${name}, so no log line is kept`,
      advice: 'Write [observability] with enabled = true, and deploy.',
    });
  if ((triggers?.crons ?? []).length === 0)
    findings.push({
      state: 'bad',
      what: `cron: ${name} has none`,
      advice: 'Write [triggers] with crons = ["*/5 * * * *"], and deploy: backups, trash and queues need it.',
    });
  const ids = [...kv_namespaces, ...d1_databases.map(({ binding, database_id: id }) => ({ binding, id }))];
  const unfilled = ids.filter(({ id }) => id === undefined || PLACEHOLDER.test(id)).map(({ binding }) => binding);
  if (unfilled.length > 0)
    findings.push({
      state: 'bad',
      what: `${name}: the id of ${unfilled.join(', ')} is still the example's`,
      advice: 'Write the ids that npx wrangler d1 list and npx wrangler kv namespace list show.',
    });
  return findings;
}
