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
    if (text[at] === '"') {
      [value, at] = quoted(text, at + 1);
    } else {
      const end = endOfField(text, at, separator);
      value = text.slice(at, end);
      at = end;
    }
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

function quoted(text: string, from: number): [value: string, end: number] {
  let value = '';
  let at = from;
  for (;;) {
    const quote = text.indexOf('"', at);
    if (quote < 0) return [value + text.slice(at), text.length];
    value += text.slice(at, quote);
    if (text[quote + 1] !== '"') return [value, quote + 1];
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
