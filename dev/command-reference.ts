import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command, Option } from '../src/cli/command.ts';
import { COMMANDS } from '../src/cli/commands.ts';
import { optionHelp } from '../src/cli/forms.ts';

/** `node dev/command-reference.ts` writes the list of commands and options into docs/command-line.md; a test holds the page to it. */
export const PAGE = join(import.meta.dirname, '../docs/command-line.md');
const HEADING = '## Every command and option\n';

/** The page with its last section made from the commands themselves. */
export function withReference(page: string, commands: readonly Command[] = COMMANDS): string {
  const at = page.indexOf(HEADING);
  const before = at < 0 ? `${page.trimEnd()}\n\n` : page.slice(0, at);
  return `${before}${HEADING}\nMade from the command line's own help by \`node dev/command-reference.ts\`.\n\n${commands.map(sectionOf).join('\n')}`;
}

function sectionOf(command: Command): string {
  const { name, usage, summary, options } = command;
  const rows = Object.entries(options).map(
    ([option, details]) => `| ${spelling(option, details)} | ${cell(optionHelp(command, option))} |\n`,
  );
  const table = rows.length === 0 ? '' : `\n| option | meaning |\n| --- | --- |\n${rows.join('')}`;
  return `### ${name}\n\n\`keep-edge ${`${name} ${usage}`.trim()}\`: ${summary}.\n${table}`;
}

function spelling(name: string, { value, short }: Option): string {
  const long = `\`--${name}${value === null ? '' : ` ${value}`}\``;
  return short === undefined ? long : `\`-${short}\`, ${long}`;
}

function cell(text: string): string {
  return text.replaceAll('\n', ' ').replaceAll('|', '\\|').replaceAll('*', '\\*');
}

if (process.argv[1] === import.meta.filename) writeFileSync(PAGE, withReference(readFileSync(PAGE, 'utf8')));
