import { escapeXml } from '../../http/xml.ts';
import { encodeUriName } from '../../keep/manifest/uri-names.ts';
import { htmlPage } from '../../pages/html-page.ts';
import { iconElement, iconOf } from '../../pages/icons.ts';
import { visible } from '../../pages/markup.ts';
import { formatSize } from '../../pages/numbers.ts';
import { commandLines } from './command-lines.ts';
import {
  entryHref,
  type Listing,
  type ListingEntry,
  SORT_KEYS,
  type Sorting,
  type SortKey,
  sortEntries,
} from './listing.ts';

/** Rows of one page for browsers. */
export const PAGE_ROWS = 1000;
/** Entries that are sorted for people: a larger directory is shown in the order of the bytes of its names. */
export const MAX_SORTED = 20_000;
/** And characters of their names together. */
const MAX_SORTED_CHARS = 4 * 1024 * 1024;
/** Characters of the names on one page, on which each stands several times, escaped: 1,000 of the longest that disks know. */
const MAX_PAGE_CHARS = 256 * 1024;

const LABELS: Record<SortKey, string> = { name: 'Name', size: 'Size', type: 'Type' };

/** Entries of one page. */
export interface PageRows {
  rows: ListingEntry[];
  pages: number;
  /** Null where there are too many to be sorted. */
  sorting: Sorting | null;
  /** How many a directory outside of collections shows of more; null for all. */
  cutAt: number | null;
  /** Rows left out because the names of the page are too long. */
  left: number;
}

/** @param page counts from 0 */
export async function pageRows(listing: Listing, sorting: Sorting, page: number): Promise<PageRows> {
  const first = page * PAGE_ROWS;
  const pagesOf = (entries: number) => Math.max(1, Math.ceil(entries / PAGE_ROWS));
  const { totals } = listing;
  const all =
    (totals?.entries ?? 0) > MAX_SORTED ? null : await take(listing.entries(), 0, MAX_SORTED, MAX_SORTED_CHARS);
  if (totals !== null && all?.isAll !== true) {
    const { taken } = await take(listing.entries(), first, PAGE_ROWS, MAX_PAGE_CHARS);
    const left = Math.max(0, Math.min(PAGE_ROWS, totals.entries - first)) - taken.length;
    return { rows: taken, pages: pagesOf(totals.entries), sorting: null, cutAt: null, left };
  }
  const { taken = [], isAll = true } = all ?? {};
  const sorted = sortEntries(taken, sorting);
  const wanted = sorted.slice(first, first + PAGE_ROWS);
  const rows = wanted.slice(0, fitting(wanted));
  const left = wanted.length - rows.length;
  return { rows, pages: pagesOf(sorted.length), sorting, cutAt: isAll ? null : sorted.length, left };
}

/** How many of the first entries have names that fit on one page. */
function fitting(entries: readonly ListingEntry[]): number {
  let chars = 0;
  const end = entries.findIndex(({ name }) => {
    chars += name.length;
    return chars > MAX_PAGE_CHARS;
  });
  return end < 0 ? entries.length : end;
}

/** Entries behind the first `skip`, as long as there are no more, and no longer names, than told. */
async function take(
  items: Iterable<ListingEntry> | AsyncIterable<ListingEntry>,
  skip: number,
  count: number,
  maxChars: number,
): Promise<{ taken: ListingEntry[]; isAll: boolean }> {
  const taken: ListingEntry[] = [];
  let at = 0;
  let chars = 0;
  for await (const item of items) {
    if (at++ < skip) continue;
    chars += item.name.length;
    if (taken.length === count || chars > maxChars) return { taken, isAll: false };
    taken.push(item);
  }
  return { taken, isAll: true };
}

/** The listing as a page of its own. @param page counts from 0 */
export async function listingPage(listing: Listing, sorted: Sorting, page: number): Promise<Response> {
  const title = listing.name || 'Keep';
  const body =
    `<nav class="crumbs" aria-label="Path">${breadcrumbs(listing)}</nav>` +
    `<h1>${escapeXml(title)}</h1>` +
    facts(listing) +
    (await filesSection(listing, sorted, page))('') +
    commandLines(listing);
  return htmlPage({ title, body });
}

/**
 * HTML: the entries with what sorts, selects and turns pages; works without a script.
 * @param page counts from 0
 * @returns takes HTML of more buttons of the form that has what is selected
 */
export async function filesSection(
  listing: Listing,
  sorted: Sorting,
  page: number,
): Promise<(tools: string) => string> {
  const { rows, pages, sorting, cutAt, left } = await pageRows(listing, sorted, page);
  return (tools) =>
    (rows.length === 0 && pages === 1 ? emptyNotice(listing) : fileTable(listing, rows, sorting, tools)) +
    (left > 0
      ? `<p class="empty">${left.toLocaleString('en')} more of this page are left out: their names are too long. Programs get all.</p>`
      : '') +
    (cutAt === null ? '' : `<p class="empty">Only the first ${cutAt.toLocaleString('en')} are shown here.</p>`) +
    pager(page, pages, sorting);
}

/** HTML: links to what is above, each with its slash. */
export function breadcrumbs({ crumbs }: Pick<Listing, 'crumbs'>): string {
  return crumbs
    .map(({ name, href }) => `<a href="${escapeXml(href)}">${escapeXml(visible(name))}</a><span>/</span>`)
    .join('');
}

function facts({ collection, totals }: Listing): string {
  const texts: string[] = [];
  if (totals !== null) {
    const { files, bytes } = totals;
    texts.push(`${files.toLocaleString('en')} ${files === 1 ? 'file' : 'files'}, ${formatSize(bytes)}`);
  }
  if (collection?.modified_at) texts.push(`changed ${escapeXml(collection.modified_at.slice(0, 10))}`);
  if (collection !== null) texts.push(`<code>${escapeXml(collection.uuid ?? collection.portable_data_hash)}</code>`);
  return texts.length === 0 ? '' : `<p class="facts">${texts.join(' · ')}</p>`;
}

function emptyNotice({ collection, url }: Listing): string {
  if (collection !== null) return '<p class="empty">This collection has no files here.</p>';
  const hint = url.endsWith('/by_id/') ? ' A collection is at <code>/by_id/</code> and its UUID.' : '';
  return `<p class="empty">Nothing to see here with this token.${hint}</p>`;
}

function fileTable(listing: Listing, rows: ListingEntry[], sorting: Sorting | null, tools: string): string {
  const picks = listing.collection !== null;
  const head = SORT_KEYS.map((key) => columnHead(key, sorting)).join('');
  const body = rows.map((entry) => tableRow(listing, entry, picks)).join('');
  const table =
    `<table><thead><tr>${picks ? '<th class="pick"><input type="checkbox" id="all" hidden aria-label="Select all"></th>' : ''}` +
    `${head}${picks ? '<th class="open"><span class="unseen">Open</span></th>' : ''}</tr></thead><tbody>${body}</tbody></table>`;
  if (!picks) return table;
  const bar =
    '<div class="bar"><input type="search" id="filter" placeholder="Filter these files" aria-label="Filter these files" hidden>' +
    '<a class="button" id="zip-all" href="?accept=application%2Fzip&amp;disposition=attachment">Download all as ZIP</a>' +
    `<button id="zip" data-selected="Download|as ZIP">Download selected as ZIP</button>${tools}</div>`;
  return (
    '<form id="files" method="post" action="?accept=application%2Fzip&amp;disposition=attachment">' +
    `${bar}${table}</form>`
  );
}

function columnHead(key: SortKey, sorting: Sorting | null): string {
  if (sorting === null) return `<th class="${key}">${LABELS[key]}</th>`;
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
  const pick = `<td class="pick"><input type="checkbox" ${picked(entry.name)} aria-label="Select ${name}"></td>`;
  const href = escapeXml(entryHref(entry, listing));
  const open = entry.kind === 'file' ? `<a href="${href}?preview" aria-label="Open ${name}" data-open>Open</a>` : '';
  const size = entry.size === null ? '' : `<span title="${entry.size} bytes">${formatSize(entry.size)}</span>`;
  return (
    `<tr>${picks ? pick : ''}<td class="name"><div class="row">${iconElement(iconOf(entry))}` +
    `<div><a class="item" href="${href}">${shown}</a>${title}</div></div></td>` +
    `<td class="size">${size}</td><td class="type">${describeType(entry)}</td>${picks ? `<td class="open">${open}</td>` : ''}</tr>`
  );
}

/** A form changes line ends, and bytes that are not UTF-8: such a name goes percent-encoded, in a field of its own. */
function picked(name: string): string {
  return name.isWellFormed() && !/[\r\n]/.test(name)
    ? `name="files" value="${escapeXml(name)}"`
    : `name="encoded_files" value="${escapeXml(encodeUriName(name))}"`;
}

function describeType({ kind, type, files, modified_at }: ListingEntry): string {
  if (kind === 'file') return escapeXml((type ?? '').replace(/;.*$/, ''));
  if (files !== null) return `${files.toLocaleString('en')} ${files === 1 ? 'file' : 'files'}`;
  return escapeXml(modified_at === undefined ? kind : `${kind}, changed ${modified_at.slice(0, 10)}`);
}

function pager(page: number, pages: number, sorting: Sorting | null): string {
  if (pages === 1) return '';
  const sort = sorting === null ? '' : `sort=${sorting.descending ? '-' : ''}${sorting.key}&amp;`;
  const link = (to: number, text: string) =>
    to < 0 || to >= pages ? '<span></span>' : `<a href="?${sort}page=${to + 1}">${text}</a>`;
  return `<nav class="pages" aria-label="Pages of the list">${link(page - 1, '← Before')}<span>Page ${page + 1} of ${pages}</span>${link(page + 1, 'More →')}</nav>`;
}
