import { parquetMetadataAsync, parquetReadObjects, parquetSchema } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';

/** Shows the first rows of a Parquet file, of which only the footer and the first pages are fetched. */

const ROWS = 500;
const MAX_CELL = 200;

const place = document.getElementById('parquet');
if (place !== null)
  void show(place).catch((error: unknown) =>
    say(place, `The table cannot be read: ${error instanceof Error ? error.message : error}`),
  );

async function show(element: HTMLElement): Promise<void> {
  const { href = '', size = '0' } = element.dataset;
  const file = {
    byteLength: Number(size),
    slice: async (start: number, end = Number(size)) => {
      const answer = await fetch(href, { headers: { Range: `bytes=${start}-${end - 1}` } });
      if (answer.status !== 206) throw new Error(`the file could not be fetched (${answer.status})`);
      return answer.arrayBuffer();
    },
  };
  const metadata = await parquetMetadataAsync(file);
  const columns = parquetSchema(metadata).children.map(({ element: { name } }) => name);
  const total = Number(metadata.num_rows);
  const rows = await parquetReadObjects({ file, metadata, compressors, rowStart: 0, rowEnd: Math.min(ROWS, total) });
  const table = document.createElement('table');
  const head = table.createTHead().insertRow();
  for (const name of columns) {
    const cell = document.createElement('th');
    cell.scope = 'col';
    cell.textContent = name;
    head.append(cell);
  }
  const body = table.createTBody();
  for (const row of rows) {
    const line = body.insertRow();
    for (const name of columns) {
      const cell = line.insertCell();
      const value: unknown = row[name];
      cell.textContent = textOf(value);
      if (typeof value === 'number' || typeof value === 'bigint') cell.className = 'n';
    }
  }
  const count = (n: number, noun: string) => `${n.toLocaleString('en')} ${noun}${n === 1 ? '' : 's'}`;
  const shown =
    rows.length < total
      ? `The first ${count(rows.length, 'row')} of ${total.toLocaleString('en')}`
      : count(total, 'row');
  say(element, `${shown}, ${count(columns.length, 'column')}.`);
  const grid = document.createElement('div');
  grid.className = 'grid';
  grid.tabIndex = 0;
  grid.setAttribute('role', 'region');
  grid.setAttribute('aria-label', 'Table');
  grid.append(table);
  element.append(grid);
}

function say(element: HTMLElement, text: string): void {
  const line = document.createElement('p');
  line.className = 'soft';
  line.textContent = text;
  element.replaceChildren(line);
}

function textOf(value: unknown): string {
  if (value === null || value === undefined) return '';
  if (value instanceof Date) return value.toISOString();
  if (value instanceof Uint8Array) return `${value.length} bytes`;
  const text =
    typeof value === 'object'
      ? JSON.stringify(value, (_, item) => (typeof item === 'bigint' ? String(item) : item))
      : String(value);
  return text.length > MAX_CELL ? `${text.slice(0, MAX_CELL)} …` : text;
}
