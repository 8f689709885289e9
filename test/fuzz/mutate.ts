import type { Random } from './random.ts';

/** Bits of text that parsers of all kinds trip over. */
const NASTY = [
  '',
  '\0',
  '\n',
  '\r\n',
  '\t',
  ' ',
  '"',
  "'",
  '\\',
  '\\\\',
  '/',
  '//',
  '..',
  '../',
  './',
  '.',
  '%',
  '%00',
  '%2f',
  '%2e%2e',
  '+',
  '-',
  '=',
  '&',
  ';',
  ',',
  ':',
  '<',
  '>',
  '<!--',
  ']]>',
  '&amp;',
  '&#0;',
  '&#x110000;',
  '<![CDATA[',
  '[',
  ']',
  '{',
  '}',
  '()',
  '*',
  '_',
  '@',
  '#',
  '?',
  'null',
  'true',
  'NaN',
  '1e999',
  '-0',
  '-1',
  '0',
  '1',
  '00',
  '0x10',
  '2147483647',
  '2147483648',
  '4294967296',
  '9007199254740991',
  '9007199254740993',
  '9223372036854775807',
  '9223372036854775808',
  '99999999999999999999999',
  '__proto__',
  'constructor',
  'toString',
  '\u00e9',
  '\u2028',
  '\ufeff',
  '\ufffd',
  '\ud800',
  '\udc00',
  '\udc80',
  '\u{1f600}',
  '\u202e',
  'A'.repeat(64),
  '0'.repeat(300),
];
const MAX_LENGTH = 2048;

/** One text made of another: one to four changes, now and then more. `words` belong to the format. */
export function mutate(random: Random, seeds: readonly string[], words: readonly string[]): string {
  let text = random.pick(seeds);
  for (let changes = random.oneIn(10) ? 1 + random.below(20) : 1 + random.below(4); changes > 0; changes--) {
    text = change(random, text, seeds, words);
    if (text.length > MAX_LENGTH) text = text.slice(0, MAX_LENGTH);
  }
  return text;
}

const LONG = 65_536;

/**
 * A valid input with one to three of its own bits, or of the nasty ones, over and over in it: tens of KiB that lead a
 * parser to the same place thousands of times.
 */
export function lengthen(random: Random, seeds: readonly string[], words: readonly string[]): string {
  const text = random.pick(seeds);
  const from = random.below(text.length + 1);
  let chunk = '';
  for (let bits = 1 + random.below(3); bits > 0; bits--) {
    const start = random.below(text.length + 1);
    const bit = random.oneIn(3)
      ? text.slice(start, start + 1 + random.below(8))
      : random.pick(random.oneIn(2) && words.length > 0 ? words : NASTY);
    chunk += bit;
  }
  if (chunk === '') chunk = 'A';
  const length = LONG >> random.below(3);
  return (
    text.slice(0, from) +
    chunk.repeat(Math.ceil(length / chunk.length)) +
    text.slice(random.oneIn(2) ? from : text.length)
  );
}

function change(random: Random, text: string, seeds: readonly string[], words: readonly string[]): string {
  const from = random.below(text.length + 1);
  const to = Math.min(text.length, from + random.below(random.oneIn(4) ? text.length + 1 : 8));
  const replaced = (chunk: string, end = to) => text.slice(0, from) + chunk + text.slice(end);
  switch (random.below(12)) {
    case 0: // leave out
      return replaced('');
    case 1: // say twice
      return replaced(text.slice(from, to).repeat(2));
    case 2: // something from the format
      return replaced(words.length === 0 ? '' : random.pick(words), from);
    case 3:
      return replaced(words.length === 0 ? '' : random.pick(words));
    case 4:
      return replaced(random.pick(NASTY), from);
    case 5:
      return replaced(random.pick(NASTY));
    case 6: // another character
      return replaced(
        String.fromCharCode(random.below(random.oneIn(3) ? 0x10000 : 0x80)),
        Math.min(text.length, from + 1),
      );
    case 7: // the end of another
      return text.slice(0, from) + random.pick(seeds).slice(random.below(64));
    case 8: // cut short
      return text.slice(0, from);
    case 9: {
      // another number
      const digits = /\d+/g;
      digits.lastIndex = from;
      const found = digits.exec(text);
      if (found === null) return text;
      const other = random.pick([
        String(Number(found[0]) + 1),
        String(Number(found[0]) - 1),
        '0',
        String(2 ** random.below(70)),
      ]);
      return text.slice(0, found.index) + other + text.slice(found.index + found[0].length);
    }
    case 10: {
      // the other case
      const chunk = text.slice(from, to);
      return replaced(chunk === chunk.toUpperCase() ? chunk.toLowerCase() : chunk.toUpperCase());
    }
    default: {
      // swap two chunks
      const middle = from + random.below(to - from + 1);
      return replaced(text.slice(middle, to) + text.slice(from, middle));
    }
  }
}
