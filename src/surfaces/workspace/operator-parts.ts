import { type Content, html, type Markup } from '../../pages/markup.ts';

/** What the sections of the operator's page are made of. */

export const number = (value: number) => Math.round(value).toLocaleString('en');

export const milliseconds = (ms: number) => `${ms < 10 ? ms.toFixed(1) : number(ms)} ms`;

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
  return html`<div class="scroll" tabindex="0" role="region" aria-label="${label}"><table class="plain"><thead><tr>${heads.map(
    ({ name, isNumber }) => html`<th scope="col" class="${isNumber && 'size'}">${name}</th>`,
  )}</tr></thead><tbody>${body}</tbody></table></div>`;
}

function isCell(value: Content | Cell): value is Cell {
  return typeof value === 'object' && value !== null && 'content' in value;
}
