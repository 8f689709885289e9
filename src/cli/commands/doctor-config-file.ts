import { readFileSync } from 'node:fs';
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

/** @param text of a wrangler.toml; only whole lines `key = value` are understood, which is how that file is written */
export function judgeConfigFile(text: string, name: string): Finding[] {
  const values = valuesOf(text);
  const findings: Finding[] = [];
  const hasLogs = ['observability', 'observability.logs'].some((table) => values.get(`${table}.enabled`) === 'true');
  if (hasLogs) findings.push({ state: 'good', what: `observability: on, in ${name}` });
  else
    findings.push({
      state: 'bad',
      what: `observability: off in ${name}, so no log line is kept`,
      advice: 'Write [observability] with enabled = true, and deploy.',
    });
  if (!values.has('triggers.crons'))
    findings.push({
      state: 'bad',
      what: `cron: ${name} has none`,
      advice: 'Write [triggers] with crons = ["*/5 * * * *"], and deploy: backups, trash and queues need it.',
    });
  const unfilled = [...values].filter(([key, value]) => /id$/.test(key) && PLACEHOLDER.test(value)).map(([key]) => key);
  if (unfilled.length > 0)
    findings.push({
      state: 'bad',
      what: `${name}: ${unfilled.join(', ')} ${unfilled.length === 1 ? 'is' : 'are'} still the example's`,
      advice: 'Write the ids that npx wrangler d1 list and npx wrangler kv namespace list show.',
    });
  return findings;
}

/** `table.key` to the value's text without quotes. Of tables in lists each key gets a number: `d1_databases.1.database_id`. */
function valuesOf(text: string): Map<string, string> {
  const values = new Map<string, string>();
  const counts = new Map<string, number>();
  let table = '';
  for (const line of text.split('\n')) {
    const list = /^\s*\[\[\s*([\w.-]+)\s*\]\]/.exec(line)?.[1];
    const single = /^\s*\[\s*([\w.-]+)\s*\]/.exec(line)?.[1];
    const [, key, value] = /^\s*([\w-]+)\s*=\s*(.*?)\s*(?:#[^"']*)?$/.exec(line) ?? [];
    if (list !== undefined) {
      counts.set(list, (counts.get(list) ?? 0) + 1);
      table = `${list}.${counts.get(list)}.`;
    } else if (single !== undefined) table = `${single}.`;
    else if (key !== undefined) values.set(`${table}${key}`, (value ?? '').replace(/^(["'])(.*)\1$/, '$2'));
  }
  return values;
}
