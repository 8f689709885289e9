import { expect, test } from 'vitest';
import { withReference } from '../../../dev/command-reference.ts';
import type { Command } from '../../../src/cli/command.ts';
import { parseCommandLine } from '../../../src/cli/command-line.ts';
import { COMMANDS } from '../../../src/cli/commands.ts';
import { textOf } from './repository.ts';

const page = textOf('docs/command-line.md');

test('the page has every command with every option, as their help has them: else run node dev/command-reference.ts', () => {
  expect(withReference(page)).toBe(page);
  expect(COMMANDS.every(({ name }) => page.includes(`\n### ${name}\n`))).toBe(true);
});

test('every command and option that a page shows is one that there is', () => {
  const wrong: string[] = [];
  for (const file of [
    'README.md',
    'command-line',
    'operate',
    'sharing',
    's3',
    'gateways',
    'genomics',
    'tools',
    'workspace',
  ].map((name) => (name.endsWith('.md') ? name : `docs/${name}.md`)))
    for (const [line, name = '', rest = ''] of textOf(file).matchAll(
      /(?:npx |`|^ +)keep-edge ([a-z][a-z0-9-]*)([^`\n]*)/gm,
    )) {
      const command = COMMANDS.find((one) => one.name === name);
      if (command === undefined) wrong.push(`${file}: ${line.trim()}`);
      for (const [, option = ''] of rest.split(/[|&;]/)[0]?.matchAll(/ --([a-z][a-z-]*)/g) ?? [])
        if (command !== undefined && option !== 'help' && !Object.hasOwn(command.options, option))
          wrong.push(`${file}: ${name} --${option}`);
      if (command !== undefined && !isTaken(command, rest)) wrong.push(`${file}: ${line.trim()}`);
    }
  expect(wrong).toEqual([]);
});

/** Placeholders and lines that are cut short may lack arguments; an option in the wrong place is wrong. */
function isTaken(command: Command, rest: string): boolean {
  const args = rest.split(/[|&;>)#]/)[0]?.match(/"[^"]*"|'[^']*'|[^\s"']+/g) ?? [];
  try {
    parseCommandLine(command, args);
    return true;
  } catch (error) {
    return !/goes with|go together/.test(String(error));
  }
}
