import { parseArgs } from 'node:util';
import { usageError } from './cli-error.ts';

/** One option of a command, as `--help` shows it. */
export interface Option {
  /** Placeholder of its value in help texts; null for a switch. */
  value: string | null;
  help: string;
  /** First arguments of the command that it goes with, where there are several: an error with the others. */
  verbs?: readonly string[];
  short?: string;
  multiple?: true;
  /** Shell completion offers files. */
  files?: true;
}

export interface Command {
  name: string;
  /** Half a sentence for the list of commands. */
  summary: string;
  /** Arguments after the name, such as `PATH...`. */
  usage: string;
  /** Paragraphs and examples below the options. */
  help: string;
  options: Record<string, Option>;
  /** Arguments that shell completion offers. */
  completes?: 'files' | readonly string[];
  /** @returns the exit code */
  run(given: Given): Promise<number>;
}

/** A parsed command line. */
export interface Given {
  arguments: string[];
  /** Whether a switch is on. */
  has(name: string): boolean;
  /** An option's value; the last if it was given more than once. */
  text(name: string): string | undefined;
  /** All values of an option that may be repeated. */
  all(name: string): string[];
  /** An option's value as a whole number of at least `least`, 1 unless told otherwise. */
  count(name: string, least?: 0 | 1): number | undefined;
}

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
  refuseStray(command, Object.keys(values), positionals[0]);
  const text = (name: string) => {
    const value = values[name];
    return typeof value === 'string' ? value : undefined;
  };
  return {
    arguments: positionals,
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

/** An option that would be ignored must not look as if it had been used. */
function refuseStray({ name, options }: Command, given: string[], verb: string | undefined): void {
  for (const option of given) {
    const verbs = options[option]?.verbs;
    if (verbs === undefined || verb === undefined || verbs.includes(verb)) continue;
    const places = verbs.map((one) => `keep-edge ${name} ${one}`).join(', ');
    throw usageError(`--${option} goes with: ${places}.`);
  }
}

function parse(args: string[], options: NonNullable<Parameters<typeof parseArgs>[0]>['options'], name: string) {
  try {
    return parseArgs({ args, options: options ?? {}, allowPositionals: true, strict: true });
  } catch (error) {
    const message = error instanceof Error ? (error.message.split(/\. |\n/)[0] ?? '') : String(error);
    throw usageError(`${message}. See: keep-edge ${name} --help`);
  }
}

/** An option's help, after the verbs that it goes with. */
export function optionHelp({ verbs, help }: Option): string {
  return verbs === undefined ? help : `${verbs.join(', ')}: ${help}`;
}

const HELP_COLUMN = 30;

/** The text of `keep-edge NAME --help`. */
export function commandHelp({ name, summary, usage, options, help }: Command): string {
  const lines = Object.entries(options).map(([option, details]) => {
    const { value, short } = details;
    const left = `  ${short === undefined ? '    ' : `-${short}, `}--${option}${value === null ? '' : ` ${value}`}`;
    const gap = left.length + 2 > HELP_COLUMN ? `\n${' '.repeat(HELP_COLUMN)}` : ' '.repeat(HELP_COLUMN - left.length);
    return `${left}${gap}${optionHelp(details).replaceAll('\n', `\n${' '.repeat(HELP_COLUMN)}`)}`;
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
