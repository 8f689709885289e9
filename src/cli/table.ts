import { oneLine, printRow } from './terminal.ts';

export interface TableColumn<Row> {
  title: string;
  of: (row: Row) => unknown;
  /** An ANSI colour for terminals, such as 32 for green; none otherwise. */
  colour?: (row: Row) => number | null;
}

/** Aligned columns with a heading on a terminal; a line of fields, separated by tabs, for each row in a pipe. */
export function printTable<Row>(rows: readonly Row[], columns: readonly TableColumn<Row>[]): void {
  const cells = rows.map((row) => columns.map(({ of }) => oneLine(String(of(row) ?? ''))));
  if (process.stdout.isTTY !== true) {
    for (const line of cells) printRow(line);
    return;
  }
  const coloured = !process.env.NO_COLOR;
  const paint = (text: string, code: number | null) =>
    coloured && code !== null ? `\x1b[${code}m${text}\x1b[0m` : text;
  const widths = columns.map(({ title }, i) => Math.max(title.length, ...cells.map((line) => line[i]?.length ?? 0)));
  const line = (texts: readonly string[], code: (column: number) => number | null) =>
    texts.map((text, i) => paint(i + 1 < texts.length ? text.padEnd(widths[i] ?? 0) : text, code(i))).join('  ');
  process.stdout.write(
    `${line(
      columns.map(({ title }) => title),
      () => 1,
    )}\n`,
  );
  rows.forEach((row, n) => {
    process.stdout.write(`${line(cells[n] ?? [], (i) => columns[i]?.colour?.(row) ?? null)}\n`);
  });
}
