import { html, type Markup } from '../../pages/markup.ts';
import { formatCount, formatSize } from '../../pages/numbers.ts';
import type { FileView } from '../../pages/views.ts';
import type { FileKind } from './file-kind.ts';
import { renderMarkdown } from './markdown.ts';
import { parseTable } from './text-table.ts';

/** What of a file's text is shown. */
const MAX_TEXT_BYTES = 1024 * 1024;
/** Of a file whose name says nothing: enough to see whether it is text. */
const SNIFFED_BYTES = 64 * 1024;
const MAX_ROWS = 500;

export interface Preview {
  body: Markup;
  /** Assets that it needs. */
  scripts: string[];
}

/** A file as a page of this service may show it: nothing of it runs. */
export async function previewOf(kind: FileKind, view: FileView): Promise<Preview> {
  const { href, name, size } = view;
  if (kind === 'image') return still(html`<img src="${href}" alt="${name}">`);
  if (kind === 'video') return still(html`<video src="${href}" controls preload="metadata"></video>`);
  if (kind === 'audio') return still(html`<audio src="${href}" controls preload="metadata"></audio>`);
  if (kind === 'parquet')
    return {
      body: html`<div id="parquet" data-href="${href}" data-size="${size}"><p class="soft">Reading the first rows …</p></div><noscript><p>Tables of this format need JavaScript.</p></noscript>`,
      scripts: ['parquet.js'],
    };
  if (kind === 'unknown') return sniffed(view);
  const text = await view.read(MAX_TEXT_BYTES);
  if (kind === 'markdown') return still(html`${renderMarkdown(text, directoryOf(href))}${source(text, size)}`);
  if (kind === 'table') return still(tableOf(text, view));
  if (kind === 'json') return still(plain(indented(text, size), size));
  return still(plain(text, size));
}

async function sniffed(view: FileView): Promise<Preview> {
  const beginning = await view.read(SNIFFED_BYTES);
  const odd = [...beginning].filter((char) => char < '\t' || char === '\ufffd').length;
  if (beginning === '' || odd > beginning.length / 200)
    return still(
      html`<p class="empty">${view.size === 0 ? 'This file is empty.' : 'A file of this kind cannot be shown here: download it.'}</p>`,
    );
  return still(plain(view.size > SNIFFED_BYTES ? await view.read(MAX_TEXT_BYTES) : beginning, view.size));
}

function still(body: Markup): Preview {
  return { body, scripts: [] };
}

function plain(text: string, size: number): Markup {
  return html`${size > MAX_TEXT_BYTES && html`<p class="soft">The first MiB of ${formatSize(size)}.</p>`}<pre class="plaintext" tabindex="0">${text}</pre>`;
}

function source(text: string, size: number): Markup {
  return html`<details><summary>Source</summary><div>${plain(text, size)}</div></details>`;
}

function indented(text: string, size: number): string {
  if (size > MAX_TEXT_BYTES) return text;
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

function tableOf(text: string, { name, size }: FileView): Markup {
  const { head, rows } = parseTable(text, name, MAX_ROWS, size > MAX_TEXT_BYTES);
  const isNumber = (value: string) => value !== '' && Number.isFinite(Number(value));
  const more = size > MAX_TEXT_BYTES || rows.length === MAX_ROWS;
  return html`<p class="soft">${more ? `The first ${formatCount(rows.length, 'row')}` : formatCount(rows.length, 'row')}, ${formatCount(head.length, 'column')}.</p>
<div class="grid" tabindex="0" role="region" aria-label="Table"><table><thead><tr>${head.map((cell) => html`<th scope="col">${cell}</th>`)}</tr></thead><tbody>${rows.map(
    (row) =>
      html`<tr>${row.map((cell) => (isNumber(cell) ? html`<td class="n">${cell}</td>` : html`<td title="${cell.length > 40 && cell}">${cell}</td>`))}</tr>`,
  )}</tbody></table></div>`;
}

function directoryOf(href: string): string {
  return href.slice(0, href.lastIndexOf('/') + 1);
}
