/** One option of a command, as `--help` shows it. */
export interface Option {
  /** Placeholder of its value in help texts; null for a switch. */
  value: string | null;
  help: string;
  /**
   * The forms of the command that read it, and those that begin with one of them; all of them, unless given. An option
   * that makes a form goes with that form.
   */
  forms?: readonly string[];
  short?: string;
  multiple?: true;
  /** Shell completion offers files. */
  files?: true;
}

/** How many arguments are taken: at least, and at most. */
export type Words = readonly [least: number, most: number];

export interface Command {
  name: string;
  /** Half a sentence for the list of commands. */
  summary: string;
  /** Arguments after the name, such as `PATH...`. */
  usage: string;
  /** Paragraphs and examples below the options. */
  help: string;
  options: Record<string, Option>;
  /**
   * The ways to use it, and how many arguments each takes: '' plainly, `list` by a verb (which does not count), `--status`
   * by an option, `UUID` by any argument, `-` by that one. `make --read` is a special case of `make`.
   */
  forms: Record<string, Words>;
  /** Arguments that shell completion offers, beside verbs. */
  completes?: 'files' | readonly string[];
  /** @returns the exit code */
  run(given: Given): Promise<number>;
}

/** A parsed command line. */
export interface Given {
  /** Which of the command's forms it is. */
  form: string;
  /** Without the verb. */
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
