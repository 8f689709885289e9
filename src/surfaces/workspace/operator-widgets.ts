import { type Content, html, type Markup } from '../../pages/markup.ts';
import { formatSize } from '../../pages/numbers.ts';
import type { Scale } from './charts.ts';

/** What the sections of the operator's page are made of. */

export const COUNTS: Scale = { show: (value) => number(value), base: 10, isWhole: true };
export const SIZES: Scale = { show: formatSize, base: 1024 };
export const MILLISECONDS: Scale = { show: (ms) => milliseconds(ms), base: 10 };
export const SECONDS: Scale = { show: (seconds) => duration(seconds), base: 10 };

export const number = (value: number) => Math.round(value).toLocaleString('en');

export const milliseconds = (ms: number) => `${ms < 10 ? Number(ms.toPrecision(2)) : number(ms)} ms`;

function duration(seconds: number): string {
  if (seconds < 120) return `${seconds < 10 ? Number(seconds.toPrecision(2)) : Math.round(seconds)} s`;
  return seconds < 7200 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
}

export function card(value: string, what: string): Markup {
  return html`<div class="card"><b>${value}</b><span>${what}</span></div>`;
}

export function section(id: string, title: string, content: Content): Markup {
  return html`<section aria-labelledby="${id}"><h2 id="${id}">${title}</h2>${content}</section>`;
}

/** What a cell holds, and how it looks. */
export interface Cell {
  content: Content;
  isBad?: boolean;
}

/**
 * A table that a narrow screen scrolls, by keyboard too.
 * @param columns names; `#` before those of numbers
 */
export function scrollTable(label: string, columns: string[], rows: (Content | Cell)[][]): Markup {
  const heads = columns.map((text) => ({ name: text.replace(/^#/, ''), isNumber: text.startsWith('#') }));
  const body = rows.map(
    (row) =>
      html`<tr>${row.map((cell, i) => {
        const { content, isBad } = isCell(cell) ? cell : { content: cell };
        const classes = [heads[i]?.isNumber && 'size', isBad && 'bad'].filter(Boolean).join(' ');
        return html`<td class="${classes}">${content}</td>`;
      })}</tr>`,
  );
  return html`<div class="scroll" tabindex="0" role="region" aria-label="${label}: table"><table class="plain"><thead><tr>${heads.map(
    ({ name, isNumber }) => html`<th scope="col" class="${isNumber && 'size'}">${name}</th>`,
  )}</tr></thead><tbody>${body}</tbody></table></div>`;
}

function isCell(value: Content | Cell): value is Cell {
  return typeof value === 'object' && value !== null && 'content' in value;
}
