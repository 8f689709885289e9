import { type FileMetaData, parquetMetadataAsync, parquetReadObjects, parquetSchema } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { rangeHeader } from '../streams/byte-range.ts';

/** Shows the first rows of a Parquet file, of which only the footer and the first pages are fetched. */

const ROWS = 500;
/** Of a file without an index of its pages a row group's columns come as a whole: those that are over this together are left out. */
const MAX_FETCHED = 32 * 1024 * 1024;
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
      const answer = await fetch(href, { headers: { Range: rangeHeader({ offset: start, length: end - start }) } });
      if (answer.status !== 206) throw new Error(`the file could not be fetched (${answer.status})`);
      return answer.arrayBuffer();
    },
  };
  const metadata = await parquetMetadataAsync(file);
  const all = parquetSchema(metadata).children.map(({ element: { name } }) => name);
  const columns = affordable(metadata, all);
  const total = Number(metadata.num_rows);
  const rows = await parquetReadObjects({
    file,
    metadata,
    compressors,
    columns,
    useOffsetIndex: true,
    // What is text by its type is text still; other bytes are looked at below.
    utf8: false,
    rowStart: 0,
    rowEnd: Math.min(ROWS, total),
  });
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
  const left = all.filter((name) => !columns.includes(name));
  const missing =
    left.length === 0 ? '' : ` Left out, because their beginnings are too large: ${left.slice(0, 20).join(', ')}.`;
  say(element, `${shown}, ${count(all.length, 'column')}.${missing}`);
  const grid = document.createElement('div');
  grid.className = 'grid';
  grid.tabIndex = 0;
  grid.setAttribute('role', 'region');
  grid.setAttribute('aria-label', 'Table');
  grid.append(table);
  element.append(grid);
}

/** As many columns, from the left, as can be fetched. */
function affordable({ row_groups }: FileMetaData, names: string[]): string[] {
  const bytes = new Map<string, number>();
  let rows = 0;
  for (const { columns, num_rows } of row_groups) {
    for (const { meta_data, offset_index_length } of columns) {
      const name = meta_data?.path_in_schema[0] ?? '';
      const size = offset_index_length === undefined ? Number(meta_data?.total_compressed_size ?? 0) : 0;
      bytes.set(name, (bytes.get(name) ?? 0) + size);
    }
    rows += Number(num_rows);
    if (rows >= ROWS) break;
  }
  let fetched = 0;
  return names.filter((name) => {
    const size = bytes.get(name) ?? 0;
    if (fetched + size > MAX_FETCHED) return false;
    fetched += size;
    return true;
  });
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
  if (value instanceof Uint8Array) return ofBytes(value);
  const text = typeof value === 'object' ? JSON.stringify(value, plainItem) : String(value);
  return text.length > MAX_CELL ? `${text.slice(0, MAX_CELL)} …` : text;
}

/** What JSON cannot hold. */
function plainItem(_: string, item: unknown): unknown {
  if (item instanceof Uint8Array) return ofBytes(item);
  if (typeof item !== 'bigint') return item;
  return Number.isSafeInteger(Number(item)) ? Number(item) : String(item);
}

/** Text where the bytes are some: old writers do not say so. */
function ofBytes(bytes: Uint8Array): string {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    if (!/\p{Cc}/u.test(text.replace(/[\t\r\n]/g, ''))) return text;
  } catch {
    // No text.
  }
  return `${bytes.length} bytes`;
}
