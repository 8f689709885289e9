/**
 * Text for people and programs. Names, messages of servers and of the file system may hold control characters (C0 and
 * C1), escape sequences, or format characters such as bidirectional overrides: a terminal must never obey them.
 */

/** Controls, format characters, lone surrogates, unassigned ones, and the line separators U+2028 and U+2029. */
const UNSAFE = /[\p{C}\u2028\u2029]/gu;
const UNSAFE_OR_QUOTE = /[\p{C}\u2028\u2029\\"]/u;

/** A line for people; newlines stay, because our own messages have several lines. */
export function plain(text: string): string {
  return text.replace(UNSAFE, (char) => (char === '\n' ? char : escaped(char)));
}

/** Text of others, such as a server's message, as a part of one line. */
export function oneLine(text: string): string {
  return text.replace(UNSAFE, escaped);
}

/** A name, quoted as in JSON if it would confuse a terminal. JSON.stringify alone leaves C1 and format characters. */
export function showName(name: string): string {
  return UNSAFE_OR_QUOTE.test(name) ? oneLine(JSON.stringify(name)) : name;
}

/** JSON on one line, in which a terminal finds nothing to obey. */
export function jsonLine(value: unknown): string {
  return oneLine(JSON.stringify(value));
}

/** Writes a line to standard output. */
export function print(line: string): void {
  console.log(plain(line));
}

/** Writes fields, separated by tabs, to standard output. */
export function printRow(fields: readonly unknown[]): void {
  console.log(fields.map((field) => oneLine(String(field))).join('\t'));
}

export function printJson(value: unknown): void {
  console.log(jsonLine(value));
}

/** Writes a line to standard error. */
export function note(line: string): void {
  console.error(plain(line));
}

function escaped(char: string): string {
  let text = '';
  for (let index = 0; index < char.length; index++)
    text += `\\u${char.charCodeAt(index).toString(16).padStart(4, '0')}`;
  return text;
}
