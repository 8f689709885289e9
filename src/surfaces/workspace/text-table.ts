/** Rows of the beginning of a CSV or TSV file. */
export interface TextTable {
  head: string[];
  rows: string[][];
}

const MAX_COLUMNS = 200;

/**
 * Parses at most `maxRows` rows behind the first line, which names the columns. Quoted fields may hold line breaks.
 * @param isCut the text goes on: its last line may not be whole and is left out
 */
export function parseTable(text: string, name: string, maxRows: number, isCut: boolean): TextTable {
  const separator = /\.csv$/i.test(name) ? separatorOf(text) : '\t';
  const rows: string[][] = [];
  let row: string[] = [];
  let at = text.startsWith('\ufeff') ? 1 : 0;
  const field = (value: string) => {
    if (row.length < MAX_COLUMNS) row.push(value);
  };
  while (at < text.length && rows.length <= maxRows) {
    let value: string;
    const inQuotes = text[at] === '"' ? quoted(text, at + 1, separator, isCut) : null;
    if (inQuotes === null) {
      const end = endOfField(text, at, separator);
      value = text.slice(at, end);
      at = end;
    } else [value, at] = inQuotes;
    field(value);
    if (text[at] === separator) {
      at++;
      if (at < text.length && text[at] !== '\n' && text[at] !== '\r') continue;
      field('');
    }
    if (at >= text.length && isCut) break;
    if (text[at] === '\r') at++;
    if (text[at] === '\n') at++;
    rows.push(row);
    row = [];
  }
  const [head = [], ...rest] = rows;
  return { head, rows: rest.slice(0, maxRows) };
}

/** Null for a quote that only begins a field, as in 5" or "x"y: files that know no quoting have these. */
function quoted(text: string, from: number, separator: string, isCut: boolean): [value: string, end: number] | null {
  let value = '';
  let at = from;
  for (;;) {
    const quote = text.indexOf('"', at);
    if (quote < 0) return isCut ? [value + text.slice(at), text.length] : null;
    value += text.slice(at, quote);
    const next = text[quote + 1];
    if (next === undefined || next === separator || next === '\n' || next === '\r') return [value, quote + 1];
    if (next !== '"') return null;
    value += '"';
    at = quote + 2;
  }
}

function endOfField(text: string, from: number, separator: string): number {
  for (let at = from; at < text.length; at++) {
    const char = text[at];
    if (char === separator || char === '\n' || char === '\r') return at;
  }
  return text.length;
}

/** Comma or semicolon, whichever the first line has more of. */
function separatorOf(text: string): string {
  const [line = ''] = text.split('\n', 1);
  return line.split(';').length > line.split(',').length ? ';' : ',';
}
