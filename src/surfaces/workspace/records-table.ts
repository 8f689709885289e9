import { encodePath, stepsInto } from '../../keep/uri-paths.ts';
import { iconElement, iconOf } from '../../pages/icons.ts';
import { html, type Markup, trusted, visible } from '../../pages/markup.ts';
import { compareNatural } from '../../pages/natural-order.ts';
import { formatAge, formatCount, formatSize, formatTime } from '../../pages/numbers.ts';
import type { Json } from './api.ts';

/** What the API is asked of records that a table shows. */
export const RECORD_FIELDS = [
  'uuid',
  'name',
  'owner_uuid',
  'modified_at',
  'file_count',
  'file_size_total',
  'trash_at',
  'delete_at',
];

export interface TableOptions {
  now: number;
  /** Names of owners by UUID; without it there is no column for them. */
  owners?: Map<string, string>;
  /** What stands in a last column. */
  action?: (record: Json) => Markup;
  /** What the column of times is about. */
  when?: { label: string; of: (record: Json) => unknown };
  /** Whether a record has a page: what is in the trash has none. All have when missing. */
  link?: (record: Json) => boolean;
  /** Below a name. */
  note?: (record: Json) => string | null;
}

/** Projects first, then collections, each in natural order. */
export function inOrder(records: readonly Json[]): Json[] {
  const rank = (record: Json) => (isCollection(record) ? 1 : 0);
  return records.toSorted((a, b) => rank(a) - rank(b) || compareNatural(nameOf(a), nameOf(b)));
}

export function isCollection({ uuid }: Json): boolean {
  return String(uuid).slice(6, 11) === '4zz18';
}

export function nameOf({ name, uuid }: Json): string {
  return typeof name === 'string' && name !== '' ? name : String(uuid);
}

/** Where a collection or project is looked at. */
export function placeOf(uuid: string): string {
  return `/c=${encodeURIComponent(uuid)}/`;
}

/** Where a directory of a collection is looked at, or a file of it fetched. @param path '' for the collection */
export function placeIn(uuid: string, path: string, kind: 'directory' | 'file'): string {
  const names = path.split('/').filter((name) => name !== '');
  return encodePath([`c=${uuid}`, ...stepsInto(names)], kind === 'directory');
}

/** A table of collections and projects; a script filters it as one types. */
export function recordsTable(records: readonly Json[], options: TableOptions): Markup {
  const { now, owners, action, when = { label: 'Changed', of: (record) => record.modified_at } } = options;
  const rows = records.map((record) => {
    const kind = isCollection(record) ? 'collection' : 'project';
    const note = options.note?.(record);
    const time = when.of(record);
    const size = record.file_size_total;
    return html`<tr><td class="name"><div class="row">${trusted(iconElement(iconOf({ kind })))}<div>${nameCell(record, options.link?.(record) ?? true)}${note !== undefined && note !== null && html`<small>${note}</small>`}</div></div></td>
${owners !== undefined && html`<td class="owner">${owners.get(record.owner_uuid) ?? ''}</td>`}<td class="count">${typeof record.file_count === 'number' && formatCount(record.file_count, 'file')}</td>
<td class="size">${typeof size === 'number' && html`<span title="${size} bytes">${formatSize(size)}</span>`}</td><td class="time"><time datetime="${String(time ?? '')}" title="${formatTime(time)}">${formatAge(time, now)}</time></td>${action !== undefined && html`<td class="act">${action(record)}</td>`}</tr>`;
  });
  return html`<table class="records"><thead><tr><th class="name">Name</th>${owners !== undefined && html`<th class="owner">Owner</th>`}<th class="count">Files</th><th class="size">Size</th><th class="time">${when.label}</th>${action !== undefined && html`<th class="act"><span class="unseen">Action</span></th>`}</tr></thead><tbody>${rows}</tbody></table>`;
}

function nameCell(record: Json, isLink: boolean): Markup {
  const name = visible(nameOf(record));
  return isLink
    ? html`<a class="item" href="${placeOf(record.uuid)}">${name}</a>`
    : html`<span class="item">${name}</span>`;
}
