import { parseArgs } from 'node:util';
import { usageError } from './cli-error.ts';
import type { Command, Given } from './command.ts';
import { formOf, optionHelp, refuseStray, wordsOf } from './forms.ts';

/** @throws CliError with exit code 2 */
export function parseCommandLine(command: Command, args: string[]): Given {
  const options = Object.fromEntries(
    Object.entries(command.options).map(([name, { value, short, multiple }]) => [
      name,
      {
        type: value === null ? ('boolean' as const) : ('string' as const),
        ...(short === undefined ? {} : { short }),
        ...(multiple === true ? { multiple } : {}),
      },
    ]),
  );
  const { values, positionals } = parse(args, options, command.name);
  if (positionals.includes('')) throw usageError('An argument is empty.');
  const given = Object.keys(values);
  const form = formOf(command, positionals, given);
  refuseStray(command, form, given);
  const words = wordsOf(command, form, positionals);
  const text = (name: string) => {
    const value = values[name];
    return typeof value === 'string' ? value : undefined;
  };
  return {
    form,
    arguments: words,
    has: (name) => values[name] === true,
    text,
    all: (name) => {
      const value = values[name];
      return Array.isArray(value) ? value.map(String) : [];
    },
    count(name, least = 1) {
      const value = text(name);
      if (value === undefined) return undefined;
      if (!/^\d{1,6}$/.test(value) || Number(value) < least)
        throw usageError(`--${name} takes a whole number from ${least}.`);
      return Number(value);
    },
  };
}

function parse(args: string[], options: NonNullable<Parameters<typeof parseArgs>[0]>['options'], name: string) {
  try {
    return parseArgs({ args, options: options ?? {}, allowPositionals: true, strict: true });
  } catch (error) {
    const message = error instanceof Error ? (error.message.split(/\. |\n/)[0] ?? '') : String(error);
    throw usageError(`${message}. See: keep-edge ${name} --help`);
  }
}

const HELP_COLUMN = 30;

/** The text of `keep-edge NAME --help`. */
export function commandHelp(command: Command): string {
  const { name, summary, usage, options, help } = command;
  const lines = Object.entries(options).map(([option, details]) => {
    const { value, short } = details;
    const left = `  ${short === undefined ? '    ' : `-${short}, `}--${option}${value === null ? '' : ` ${value}`}`;
    const gap = left.length + 2 > HELP_COLUMN ? `\n${' '.repeat(HELP_COLUMN)}` : ' '.repeat(HELP_COLUMN - left.length);
    return `${left}${gap}${optionHelp(command, option).replaceAll('\n', `\n${' '.repeat(HELP_COLUMN)}`)}`;
  });
  return [
    `keep-edge ${name} ${usage}`.trim(),
    `${summary[0]?.toUpperCase()}${summary.slice(1)}.`,
    ...(lines.length === 0 ? [] : [`Options:\n${lines.join('\n')}`]),
    help.replace(/^\n/, '').trimEnd(),
  ]
    .filter(Boolean)
    .join('\n\n')
    .concat('\n');
}
