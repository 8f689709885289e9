import { html, type Markup } from '../../pages/markup.ts';
import { formatCount, formatSize } from '../../pages/numbers.ts';
import { type Beginning, textOfBytes } from '../../pages/text-of-bytes.ts';
import type { FileView } from '../../pages/views.ts';
import { type FileKind, isGzip } from './file-kind.ts';
import { gunzipBeginning } from './gunzip.ts';
import { renderMarkdown } from './markdown.ts';
import { parseTable } from './text-table.ts';

/** What of a file's text is shown. */
const MAX_TEXT_BYTES = 1024 * 1024;
/** Of a file whose name says nothing: enough to see whether it is text. */
const SNIFFED_BYTES = 64 * 1024;
const MAX_ROWS = 500;
/** Of a cell; the rest is in the file. */
const MAX_CELL = 300;
const UNSHOWN = html`<p class="empty">A file of this kind cannot be shown here: download it.</p>`;
const EMPTY = html`<p class="empty">This file is empty.</p>`;

export interface Preview {
  body: Markup;
  /** Assets that it needs. */
  scripts: string[];
}

/** A file as a page of this service may show it: nothing of it runs. */
export async function previewOf(kind: FileKind, view: FileView): Promise<Preview> {
  const { href, name, size } = view;
  if (size === 0) return still(EMPTY);
  if (kind === 'image') return still(html`<img src="${href}" alt="${name}">`);
  const elsewhere = html`<p class="soft">What this browser does not play may play in another program: download it.</p>`;
  if (kind === 'video')
    return still(
      html`<video src="${href}" controls preload="metadata"></video>${!/\.(mp4|m4v|webm|ogv)$/i.test(name) && elsewhere}`,
    );
  if (kind === 'audio')
    return still(
      html`<audio src="${href}" controls preload="metadata"></audio>${!/\.(mp3|m4a|aac|ogg|oga|opus|wav|flac|weba)$/i.test(name) && elsewhere}`,
    );
  if (kind === 'parquet')
    return {
      body: html`<div id="parquet" data-href="${href}" data-size="${size}"><p class="soft">Reading the first rows …</p></div><noscript><p>Tables of this format need JavaScript.</p></noscript>`,
      scripts: ['parquet.js'],
    };
  if (kind === 'unknown') return sniffed(view);
  const beginning = await beginningOf(view, MAX_TEXT_BYTES);
  // Compressed, and damaged.
  if (beginning.text === '') return still(UNSHOWN);
  if (kind === 'markdown')
    return still(html`${renderMarkdown(beginning.text, directoryOf(href))}${sourceOf(beginning)}`);
  if (kind === 'table') return still(tableOf(beginning, name));
  if (kind === 'json') return still(plain({ ...beginning, text: indented(beginning) }));
  return still(plain(beginning));
}

/** The text of a file that is shown otherwise, or elsewhere. */
export async function sourcePreview(view: FileView): Promise<Markup> {
  return sourceOf(await beginningOf(view, SNIFFED_BYTES));
}

/** Decompressed where the name says that it is compressed. */
async function beginningOf({ name, size, read }: FileView, maxBytes: number): Promise<Beginning> {
  const bytes = await read(maxBytes);
  const isMore = size > bytes.byteLength;
  if (!isGzip(name) || bytes[0] !== 0x1f || bytes[1] !== 0x8b)
    return { text: textOfBytes(bytes, isMore), isCut: isMore };
  const inflated = await gunzipBeginning(bytes, maxBytes);
  const isCut = isMore || inflated.isCut;
  return { text: textOfBytes(inflated.bytes, isCut), isCut };
}

async function sniffed(view: FileView): Promise<Preview> {
  const beginning = await beginningOf(view, SNIFFED_BYTES);
  const { text, isCut } = beginning;
  const odd = [...text].filter((char) => (char < '\t' && char !== '') || char === '\ufffd').length;
  if (text === '' || odd > text.length / 200) return still(UNSHOWN);
  return still(plain(isCut ? await beginningOf(view, MAX_TEXT_BYTES) : beginning));
}

function still(body: Markup): Preview {
  return { body, scripts: [] };
}

function plain({ text, isCut }: Beginning): Markup {
  return html`${isCut && html`<p class="soft">Only the beginning: ${formatSize(text.length)}.</p>`}<pre class="plaintext" tabindex="0">${text}</pre>`;
}

function sourceOf(beginning: Beginning): Markup {
  return html`<details><summary>Source</summary><div>${plain(beginning)}</div></details>`;
}

function indented({ text, isCut }: Beginning): string {
  if (isCut) return text;
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

function tableOf(beginning: Beginning, name: string): Markup {
  const { text, isCut } = beginning;
  const { head, rows } = parseTable(text, name.replace(/\.b?gz$/i, ''), MAX_ROWS, isCut);
  // A first line that goes on behind what was read.
  if (head.length === 0) return plain(beginning);
  const isNumber = (value: string) => value !== '' && Number.isFinite(Number(value));
  const more = isCut || rows.length === MAX_ROWS;
  return html`<p class="soft">${more ? `The first ${formatCount(rows.length, 'row')}` : formatCount(rows.length, 'row')}, ${formatCount(head.length, 'column')}.</p>
<div class="grid" tabindex="0" role="region" aria-label="Table"><table><thead><tr>${head.map((cell) => html`<th scope="col">${shortened(cell)}</th>`)}</tr></thead><tbody>${rows.map(
    (row) =>
      html`<tr>${row.map((cell) => (isNumber(cell) ? html`<td class="n">${cell}</td>` : html`<td title="${cell.length > 40 && shortened(cell)}">${shortened(cell)}</td>`))}</tr>`,
  )}</tbody></table></div>`;
}

function shortened(cell: string): string {
  return cell.length > MAX_CELL ? `${cell.slice(0, MAX_CELL)} …` : cell;
}

function directoryOf(href: string): string {
  return href.slice(0, href.lastIndexOf('/') + 1);
}
