import { type CliError, usageError } from './cli-error.ts';
import type { Command } from './command.ts';

/** The form that a command line has. @throws CliError with exit code 2 when it has none, or parts of two */
export function formOf(command: Command, words: string[], options: string[]): string {
  const isGiven = (mark: string) => {
    if (mark.startsWith('--')) return options.includes(mark.slice(2));
    if (mark === '-') return words.includes(mark);
    return isVerb(mark) ? words[0] === mark : words.length > 0;
  };
  const [form, ...others] = Object.keys(command.forms)
    .filter((one) => marksOf(one).every(isGiven))
    .sort((a, b) => marksOf(b).length - marksOf(a).length);
  if (form === undefined) throw wrongWords(command);
  const marks = marksOf(form);
  for (const other of others.flatMap(marksOf))
    if (!marks.includes(other)) throw usageError(`${marks.at(-1)} and ${other} do not go together.`);
  return form;
}

/** The arguments without the verb. @throws CliError with exit code 2 when the form takes more or fewer */
export function wordsOf(command: Command, form: string, words: string[]): string[] {
  const own = marksOf(form).some(isVerb) ? words.slice(1) : words;
  const [least, most] = command.forms[form] ?? [0, 0];
  if (own.length < least || own.length > most) throw wrongWords(command);
  return own;
}

/** An option that would be ignored must not look as if it had been used. @throws CliError with exit code 2 */
export function refuseStray(command: Command, form: string, options: string[]): void {
  const taken = optionsOf(command, form);
  for (const option of options)
    if (!taken.includes(option)) throw usageError(`--${option} goes with: ${placesOf(command, option).join(', ')}.`);
}

/** The words that may come first in a command with verbs. */
export function verbsOf({ forms }: Command): string[] {
  return [...new Set(Object.keys(forms).flatMap((form) => marksOf(form).filter(isVerb)))];
}

/** The names of the options that a form takes. */
export function optionsOf(command: Command, form: string): string[] {
  return Object.keys(command.options).filter((option) => takes(command, form, option));
}

/** Whether any form of a verb takes an option. */
export function verbTakes(command: Command, verb: string, option: string): boolean {
  return Object.keys(command.forms).some((form) => marksOf(form).includes(verb) && takes(command, form, option));
}

function takes(command: Command, form: string, option: string): boolean {
  const made = madeBy(command, option);
  const goesWith = made.length > 0 ? made : command.options[option]?.forms;
  return goesWith === undefined || goesWith.some((one) => one === form || isCaseOf(form, one));
}

/** An option's help, after the forms that it goes with. */
export function optionHelp(command: Command, option: string): string {
  const { help, forms } = command.options[option] ?? { help: '' };
  const made = madeBy(command, option).flatMap((form) => marksOf(form).filter((mark) => mark !== `--${option}`));
  const before = forms ?? made;
  if (before.length === 0) return help;
  return `${before.includes('') ? `not with ${othersThan(command, before).join(', ')}` : before.join(', ')}: ${help}`;
}

function placesOf(command: Command, option: string): string[] {
  const taking = Object.keys(command.forms).filter((form) => takes(command, form, option));
  if (taking.includes('')) return [`keep-edge ${command.name} without ${othersThan(command, taking).join(', ')}`];
  return taking
    .filter((form) => !taking.some((one) => isCaseOf(form, one)))
    .map((form) => ['keep-edge', command.name, ...marksOf(form).filter((mark) => mark !== `--${option}`)].join(' '));
}

function othersThan({ forms }: Command, some: readonly string[]): string[] {
  const others = Object.keys(forms).filter((form) => !some.includes(form));
  return others.filter((form) => !others.some((one) => isCaseOf(form, one)));
}

/** The forms that are such because of this option. */
function madeBy({ forms }: Command, option: string): string[] {
  return Object.keys(forms).filter((form) => marksOf(form).includes(`--${option}`));
}

/** Whether one form is a special case of another that is not the plain one: `make --read` of `make`. */
function isCaseOf(form: string, general: string): boolean {
  return general !== '' && form.startsWith(`${general} `);
}

/** What a line must have to be of a form. */
function marksOf(form: string): string[] {
  return form.split(' ').filter(Boolean);
}

function isVerb(mark: string): boolean {
  return /^[a-z]/.test(mark);
}

function wrongWords({ name, usage }: Command): CliError {
  return usageError(`Write: keep-edge ${`${name} ${usage}`.trim()}`);
}
