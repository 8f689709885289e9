import { htmlPage } from './html-page.ts';
import { entryHref, type Listing, type ListingEntry, SORT_KEYS, type Sorting, type SortKey } from './listing.ts';
import { iconElement, iconOf, iconSheet } from './listing-icons.ts';
import { escapeXml } from './xml.ts';

/** Rows of one page for browsers. */
export const PAGE_ROWS = 1000;

const LABELS: Record<SortKey, string> = { name: 'Name', size: 'Size', type: 'Type' };

/** The listing as a page that works without a script. @param entries sorted, all of them. @param page counts from 0 */
export function listingPage(listing: Listing, entries: ListingEntry[], sorting: Sorting, page: number): Response {
  const rows = entries.slice(page * PAGE_ROWS, (page + 1) * PAGE_ROWS);
  const pages = Math.max(1, Math.ceil(entries.length / PAGE_ROWS));
  const body =
    iconSheet() +
    breadcrumbs(listing) +
    `<h1>${escapeXml(listing.name || 'Keep')}</h1>` +
    facts(listing, entries) +
    (rows.length === 0 ? emptyNotice(listing) : fileTable(listing, rows, sorting)) +
    pager(page, pages, sorting) +
    commandLines(listing);
  return htmlPage(listing.name || 'Keep', body);
}

function breadcrumbs({ crumbs }: Listing): string {
  if (crumbs.length === 0) return '';
  const links = crumbs.map(({ name, href }) => `<a href="${escapeXml(href)}">${escapeXml(name)}</a>`);
  return `<nav class="crumbs" aria-label="Path">${links.join('<span>/</span>')}<span>/</span></nav>`;
}

function facts({ collection }: Listing, entries: ListingEntry[]): string {
  const files = sum(entries, (entry) => (entry.kind === 'file' ? 1 : entry.files));
  const bytes = sum(entries, (entry) => entry.size);
  const texts: string[] = [];
  if (files !== null && bytes !== null && collection !== null)
    texts.push(`${files.toLocaleString('en')} ${files === 1 ? 'file' : 'files'}, ${formatSize(bytes)}`);
  if (collection?.modified_at) texts.push(`changed ${escapeXml(collection.modified_at.slice(0, 10))}`);
  if (collection !== null) texts.push(`<code>${escapeXml(collection.uuid ?? collection.portable_data_hash)}</code>`);
  return texts.length === 0 ? '' : `<p class="facts">${texts.join(' · ')}</p>`;
}

function sum(entries: ListingEntry[], measure: (entry: ListingEntry) => number | null): number | null {
  return entries.reduce<number | null>((total, entry) => {
    const value = measure(entry);
    return total === null || value === null ? null : total + value;
  }, 0);
}

function emptyNotice({ collection, url }: Listing): string {
  if (collection !== null) return '<p class="empty">This collection has no files here.</p>';
  const hint = url.endsWith('/by_id/') ? ' A collection is at <code>/by_id/</code> and its UUID.' : '';
  return `<p class="empty">Nothing to see here with this token.${hint}</p>`;
}

function fileTable(listing: Listing, rows: ListingEntry[], sorting: Sorting): string {
  const picks = listing.collection !== null;
  const head = SORT_KEYS.map((key) => columnHead(key, sorting)).join('');
  const body = rows.map((entry) => tableRow(listing, entry, picks)).join('');
  const table =
    `<table><thead><tr>${picks ? '<th class="pick"><input type="checkbox" id="all" hidden aria-label="Select all"></th>' : ''}` +
    `${head}</tr></thead><tbody>${body}</tbody></table>`;
  if (!picks) return table;
  const bar =
    '<div class="bar"><a class="button main" id="zip-all" href="?accept=application%2Fzip&amp;disposition=attachment">Download all as ZIP</a>' +
    '<button id="zip">Download selected as ZIP</button></div>';
  return (
    '<form id="files" method="post" action="?accept=application%2Fzip&amp;disposition=attachment">' +
    `${bar}${table}</form>`
  );
}

function columnHead(key: SortKey, sorting: Sorting): string {
  const current = sorting.key === key;
  const next = current && !sorting.descending ? `-${key}` : key;
  const arrow = current ? (sorting.descending ? ' ↓' : ' ↑') : '';
  const aria = current ? ` aria-sort="${sorting.descending ? 'descending' : 'ascending'}"` : '';
  return `<th class="${key}"${aria}><a href="?sort=${next}">${LABELS[key]}${arrow}</a></th>`;
}

function tableRow(listing: Listing, entry: ListingEntry, picks: boolean): string {
  const name = escapeXml(entry.name);
  const seen = escapeXml(visible(entry.name));
  const shown = entry.kind === 'file' ? seen : `${seen}/`;
  const title = entry.title === undefined ? '' : `<small>${escapeXml(entry.title)}</small>`;
  const pick = `<td class="pick"><input type="checkbox" name="files" value="${name}" aria-label="Select ${name}"></td>`;
  const size = entry.size === null ? '' : `<span title="${entry.size} bytes">${formatSize(entry.size)}</span>`;
  return (
    `<tr>${picks ? pick : ''}<td class="name"><div class="row">${iconElement(iconOf(entry))}` +
    `<div><a class="item" href="${escapeXml(entryHref(entry, listing))}">${shown}</a>${title}</div></div></td>` +
    `<td class="size">${size}</td><td class="type">${describeType(entry)}</td></tr>`
  );
}

/** Bidirectional controls could make `exe` look like the beginning of a name. */
function visible(name: string): string {
  return name.replace(/[\u202a-\u202e\u2066-\u2069]/g, '\ufffd');
}

function describeType({ kind, type, files, modified_at }: ListingEntry): string {
  if (kind === 'file') return escapeXml((type ?? '').replace(/;.*$/, ''));
  if (files !== null) return `${files.toLocaleString('en')} ${files === 1 ? 'file' : 'files'}`;
  return escapeXml(modified_at === undefined ? kind : `${kind}, changed ${modified_at.slice(0, 10)}`);
}

function pager(page: number, pages: number, { key, descending }: Sorting): string {
  if (pages === 1) return '';
  const link = (to: number, text: string) =>
    to < 0 || to >= pages
      ? '<span></span>'
      : `<a href="?sort=${descending ? '-' : ''}${key}&amp;page=${to + 1}">${text}</a>`;
  return `<nav class="pages">${link(page - 1, '← Before')}<span>Page ${page + 1} of ${pages}</span>${link(page + 1, 'More →')}</nav>`;
}

/** Lines to paste into a terminal. The token stays in the reader's environment, unless the address has one anyway. */
function commandLines({ url, depth, collection }: Listing): string {
  const needsToken = !/\/t=|\/collections\/download\//.test(url);
  const header = needsToken ? ` --header="Authorization: Bearer $ARVADOS_API_TOKEN"` : '';
  const safeUrl = url.replaceAll("'", '%27');
  // What has a question mark is this page in another order, or the archive.
  const wget = `wget${header} --reject-regex='\\?' --mirror --no-parent --no-host --cut-dirs=${depth} '${safeUrl}'`;
  const curl = `curl${header.replace('--header=', '-H ')} -C - -o files.zip '${safeUrl}?accept=application/zip&disposition=attachment'`;
  const lines = [line('wget-example', 'All files, one by one:', wget)];
  if (collection !== null)
    lines.push(line('curl-example', 'Everything as one ZIP archive; run it again to go on where it stopped:', curl));
  const token = needsToken ? '<p>Put your token into the variable <code>ARVADOS_API_TOKEN</code> first.</p>' : '';
  return `<details><summary>Download from a terminal</summary><div>${token}${lines.join('')}</div></details>`;
}

function line(id: string, label: string, command: string): string {
  return (
    `<p>${label}</p><div class="line"><pre id="${id}">${escapeXml(command)}</pre>` +
    `<button type="button" data-copy="${id}" hidden>Copy</button></div>`
  );
}

/** Powers of 1024, three digits. */
export function formatSize(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1023.5 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 || value >= 99.95 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}
