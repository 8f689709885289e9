import { readFileSync, writeFileSync } from 'node:fs';
import { text as textOf } from 'node:stream/consumers';
import { stringify } from 'smol-toml';
import { CliError } from '../cli-error.ts';
import type { Command, Given } from '../command.ts';
import { convertConfig } from '../deploy/convert-config.ts';
import { note, print } from '../terminal.ts';

export const deployConfig: Command = {
  name: 'deploy-config',
  summary: "turn an Arvados config.yml into wrangler.toml's tables and a list of secrets",
  usage: 'CONFIG.YML|- [options]',
  forms: { '': [1, 1] },
  completes: 'files',
  options: {
    cluster: { value: 'ID', help: 'which cluster, if the file has several' },
    secrets: { value: 'FILE', files: true, help: 'write the secrets there (mode 600), for: wrangler secret bulk FILE' },
  },
  help: `
The tables go to standard output: put them in place of those below [vars] in wrangler.toml. Secrets are only named; with
--secrets they are written to a file for wrangler, which is to be deleted afterwards. What cannot be taken over is said
on standard error.`,
  run: runDeployConfig,
};

async function runDeployConfig(given: Given): Promise<number> {
  const [file = ''] = given.arguments;
  const text = file === '-' ? await textOf(process.stdin) : readFileSync(file, 'utf8');
  const { vars, secrets, notes } = convertConfig(await parseYaml(text), given.text('cluster'));
  print(stringify({ vars }));
  for (const each of notes) note(`note: ${each}`);
  const names = Object.keys(secrets);
  const target = given.text('secrets');
  if (target !== undefined) {
    writeFileSync(target, `${JSON.stringify(secrets, null, 2)}\n`, { mode: 0o600, flag: 'wx' });
    note(`${names.length} secrets are in ${target}. Now: npx wrangler secret bulk ${target} && rm ${target}`);
  } else {
    for (const name of names) note(`secret to set: npx wrangler secret put ${name}`);
  }
  return 0;
}

async function parseYaml(text: string): Promise<unknown> {
  // Loaded here only: it is large and no other command uses it.
  const { parse } = await import('yaml');
  try {
    return parse(text);
  } catch (error) {
    throw new CliError(`The file is not YAML: ${error instanceof Error ? error.message : error}`);
  }
}
