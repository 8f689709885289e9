import { escapeXml } from '../../http/xml.ts';
import { hasToken } from '../../keep/uri-paths.ts';
import type { Listing } from './listing.ts';

/**
 * Where wget saves a listing, which it must fetch to see the links in it. The default, `index.html`, would replace a
 * file of that name in the collection.
 */
const WGET_LISTING = '.wget-listing';
/** While a listing is read, wget keeps it under a second name. The service's robots.txt is not part of the collection. */
const WGET_OPTIONS = `--default-page=${WGET_LISTING} --reject=${WGET_LISTING},${WGET_LISTING}.tmp --execute robots=off`;

/** Lines to paste into a terminal. The token stays in the reader's environment, unless the address has one anyway. */
export function commandLines(listing: Listing): string {
  const { url, collection } = listing;
  const needsToken = !hasToken(new URL(url).pathname);
  const lines = [
    ...(needsToken && collection !== null ? [keepEdgeLine(listing, collection)] : []),
    rcloneLine(listing, needsToken),
    wgetLine(listing, needsToken),
    ...(collection === null ? [] : [zipLine(listing, needsToken)]),
  ];
  const token = needsToken ? '<p>Export your token as <code>ARVADOS_API_TOKEN</code> first.</p>' : '';
  return `<details><summary>Download from a terminal</summary><div>${token}${lines.join('')}</div></details>`;
}

function keepEdgeLine({ url, path }: Listing, collection: NonNullable<Listing['collection']>): string {
  const { origin } = new URL(url);
  const place = shellQuoted(`${[collection.uuid ?? collection.portable_data_hash, ...path].join('/')}/`);
  const label = 'All files, checked against their hashes; run it again to go on where it stopped:';
  return line('keep-edge-example', label, `ARVADOS_API_HOST=${origin} keep-edge get ${place} files/`);
}

function rcloneLine({ url }: Listing, needsToken: boolean): string {
  const token = needsToken ? 'RCLONE_WEBDAV_BEARER_TOKEN="$ARVADOS_API_TOKEN" ' : '';
  const command = `${token}rclone copy --progress --webdav-url ${shellQuoted(url)} :webdav: files/`;
  return line('rclone-example', 'All files with rclone:', command);
}

function wgetLine({ url, depth }: Listing, needsToken: boolean): string {
  const command =
    `wget${header(needsToken, '--header=')} --recursive --level=inf --continue --no-parent --no-host-directories ` +
    `--cut-dirs=${depth} ${WGET_OPTIONS} ${shellQuoted(url)}`;
  return line('wget-example', 'All files with wget:', command);
}

function zipLine({ url }: Listing, needsToken: boolean): string {
  const address = shellQuoted(`${url}?accept=application/zip&disposition=attachment`);
  const label = 'Everything as one ZIP archive; run it again to go on where it stopped:';
  return line('curl-example', label, `curl${header(needsToken, '-H ')} -C - -o files.zip ${address}`);
}

function header(needsToken: boolean, option: string): string {
  return needsToken ? ` ${option}"Authorization: Bearer $ARVADOS_API_TOKEN"` : '';
}

/** One word of a POSIX shell. */
function shellQuoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

function line(id: string, label: string, command: string): string {
  return (
    `<p>${label}</p><div class="line"><pre id="${id}">${escapeXml(command)}</pre>` +
    `<button type="button" data-copy="${id}" hidden>Copy</button></div>`
  );
}
