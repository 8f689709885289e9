import { escapeXml } from '../../http/xml.ts';
import { compareNames } from '../../keep/manifest/names.ts';
import { encodeComponent, stepsTo } from '../../keep/uri-paths.ts';
import { compareNatural } from '../../pages/natural-order.ts';

/** The data behind the page and the JSON of a directory. */
export interface Listing {
  /** Name of the directory. */
  name: string;
  /** From the root of the address down to the parent of this directory, each with the path of its URL. */
  crumbs: { name: string; href: string }[];
  /** All of them, in the order of the source; made while they are read. */
  entries: () => Iterable<ListingEntry> | AsyncIterable<ListingEntry>;
  /** What is below this directory; null where that is not known without looking everywhere. */
  totals: { files: number; bytes: number; entries: number } | null;
  /** The collection that this is in, null outside of one. */
  collection: ListedCollection | null;
  /** Components from the collection's root to this directory. */
  path: string[];
  /** Absolute URL of this directory without query; its token, if it has one, included. */
  url: string;
  /** Whether `_` may stand before an entry: the root of an address, where a name such as `t=x` would mean something. */
  takesDetours: boolean;
  /** Components of the URL's path: what wget has to cut off. */
  depth: number;
}

export interface ListedCollection {
  uuid: string | null;
  portable_data_hash: string;
  name: string;
  modified_at: string | null;
}

export interface ListingEntry {
  kind: 'file' | 'directory' | 'collection' | 'project';
  /** Component of the URL. */
  name: string;
  /** What it is called where the name is only an identifier. */
  title?: string;
  /** Bytes of a file or below a directory; null when that is not known. */
  size: number | null;
  /** Files below a directory; null when that is not known. */
  files: number | null;
  /** Of a file. */
  type: string | null;
  /** RFC 3339, for collections and projects. */
  modified_at?: string;
}

export const SORT_KEYS = ['name', 'size', 'type'] as const;
export type SortKey = (typeof SORT_KEYS)[number];
export interface Sorting {
  key: SortKey;
  descending: boolean;
}

/** `?sort=size`, `?sort=-name`; by name when it says something else. */
export function parseSorting(text: string | null): Sorting {
  const descending = text?.startsWith('-') ?? false;
  const key = SORT_KEYS.find((known) => known === text?.replace(/^-/, ''));
  return key === undefined ? { key: 'name', descending: false } : { key, descending };
}

/** Directories stand before files; what is equal is ordered by name, numbers in names by their value. */
export function sortEntries(entries: ListingEntry[], { key, descending }: Sorting): ListingEntry[] {
  const sign = descending ? -1 : 1;
  const by: Record<SortKey, (a: ListingEntry, b: ListingEntry) => number> = {
    name: () => 0,
    size: (a, b) => sign * ((a.size ?? -1) - (b.size ?? -1)),
    type: (a, b) => sign * compareNames(a.type ?? '', b.type ?? ''),
  };
  const names = key === 'name' ? sign : 1;
  const rank = (entry: ListingEntry) => (entry.kind === 'file' ? 1 : 0);
  return entries.toSorted((a, b) => rank(a) - rank(b) || by[key](a, b) || names * compareNatural(a.name, b.name));
}

/**
 * Relative link to an entry, from its directory's URL. Plain names, because programs such as fsspec take `./x` for
 * something else than `x`; encoded, so that no name begins like a URL.
 */
export function entryHref(
  { name, kind }: Pick<ListingEntry, 'name' | 'kind'>,
  { takesDetours }: Pick<Listing, 'takesDetours'>,
): string {
  return `${stepsTo(name, takesDetours).map(encodeComponent).join('/')}${kind === 'file' ? '' : '/'}`;
}

/** The same facts as the page, for programs. */
export async function* listingJson(listing: Listing): AsyncGenerator<string> {
  const { name, collection, url } = listing;
  const head = JSON.stringify({ name, url, collection });
  yield `${head.slice(0, -1)},"entries":[`;
  let separator = '\n';
  for await (const entry of listing.entries()) {
    yield `${separator}${JSON.stringify({ ...entry, href: entryHref(entry, listing) })}`;
    separator = ',\n';
  }
  yield '\n]}\n';
}

/**
 * HTML for programs that follow links (wget, rclone, lftp, fsspec): every entry on one page, and no link to anything
 * else.
 */
export async function* plainListing(listing: Listing): AsyncGenerator<string> {
  const title = escapeXml(listing.name || 'Keep');
  yield `<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><meta name="robots" content="noindex"><title>${title}</title></head>\n<body><h1>${title}</h1><pre>\n`;
  for await (const entry of listing.entries()) {
    const name = escapeXml(entry.kind === 'file' ? entry.name : `${entry.name}/`);
    const size = entry.kind === 'file' && entry.size !== null ? String(entry.size) : '-';
    yield `<a class="item" href="${escapeXml(entryHref(entry, listing))}">${name}</a>  ${size}\n`;
  }
  yield '</pre></body></html>\n';
}
