import { KeepError } from '../keep/errors.ts';
import type { Condition } from './filters.ts';

/** D1 refuses longer LIKE and GLOB patterns. */
const MAX_PATTERN_BYTES = 50;

/**
 * `like` (case counts) and `ilike` (it does not) with `%`, `_` and a backslash before a literal one. What people
 * write nearly always (`%x%`, `x%`, `%x`, `x`) becomes a plain text search of any length; anything else is a pattern.
 */
export function matchText(sql: string, pattern: string, ignoreCase: boolean): Condition {
  const parts = tokens(pattern);
  const first = parts.at(0)?.wildcard === '%';
  const last = parts.at(-1)?.wildcard === '%';
  const middle = parts.slice(first ? 1 : 0, last ? -1 : undefined);
  const column = ignoreCase ? `lower(${sql})` : sql;
  if (middle.every((part) => part.wildcard === undefined)) {
    const literal = middle.map((part) => part.char).join('');
    const value = ignoreCase ? lowerAscii(literal) : literal;
    if (value === '')
      return { sql: first || last ? `${sql} IS NOT NULL` : `${sql} = ?`, values: first || last ? [] : [''] };
    if (first && last) return { sql: `instr(${column}, ?) > 0`, values: [value] };
    if (last) return { sql: `substr(${column}, 1, length(?)) = ?`, values: [value, value] };
    if (first) return { sql: `substr(${column}, -length(?)) = ?`, values: [value, value] };
    return { sql: `${column} = ?`, values: [value] };
  }
  const glob = parts
    .map(({ char, wildcard }) =>
      wildcard === '%' ? '*' : wildcard === '_' ? '?' : '*?['.includes(char) ? `[${char}]` : char,
    )
    .join('');
  if (new TextEncoder().encode(glob).length > MAX_PATTERN_BYTES) {
    throw new KeepError('invalid_record', {
      message: `a pattern with inner wildcards has at most ${MAX_PATTERN_BYTES} bytes`,
    });
  }
  return { sql: `${column} GLOB ?`, values: [ignoreCase ? lowerAscii(glob) : glob] };
}

interface Token {
  char: string;
  wildcard?: '%' | '_';
}

function tokens(pattern: string): Token[] {
  const result: Token[] = [];
  const chars = [...pattern];
  for (let i = 0; i < chars.length; i++) {
    const char = chars[i] ?? '';
    if (char === '\\' && i + 1 < chars.length) result.push({ char: chars[++i] ?? '' });
    else if (char === '%' || char === '_') result.push({ char, wildcard: char });
    else result.push({ char });
  }
  return result;
}

/** SQLite's lower() only knows ASCII: the operand must be folded alike. */
function lowerAscii(text: string): string {
  return text.replace(/[A-Z]/g, (char) => char.toLowerCase());
}
