import { html, type Markup } from '../../pages/markup.ts';

/** Charts drawn here, as SVG: no script. Each comes with its figures as a table, for those who do not see them. */

/** Wide enough for half a page; on a phone the texts are still of ten pixels. */
const WIDTH = 440;
const HEIGHT = 190;
const LEFT = 66;
const BOTTOM = 24;
const TOP = 10;
const GRID_LINES = 4;
const MAX_LABELS = 5;

export interface Series {
  name: string;
  /** One of the page's three colours. */
  colour: 'a' | 'b' | 'c';
  /** As many as there are labels. */
  values: number[];
}

/** How values are written, and which base makes round numbers of them. */
export interface Scale {
  show: (value: number) => string;
  base: 10 | 1024;
  /** There are no parts of one. */
  isWhole?: boolean;
}

/** Columns over each other, one for each label. */
export function columnChart(title: string, labels: string[], series: Series[], scale: Scale): Markup {
  const { show } = scale;
  const sums = labels.map((_, i) => series.reduce((sum, { values }) => sum + (values[i] ?? 0), 0));
  const { axis, y } = frame(Math.max(0, ...sums), scale);
  const group = (WIDTH - LEFT) / Math.max(labels.length, 1);
  const columns = labels.flatMap((label, i) => {
    let below = 0;
    return series.map(({ name, colour, values }) => {
      const value = values[i] ?? 0;
      const bottom = y(below);
      below += value;
      return (
        value > 0 &&
        html`<rect class="${colour}" x="${round(LEFT + i * group + group * 0.12)}" y="${round(y(below))}" width="${round(Math.max(1, group * 0.76))}" height="${round(bottom - y(below))}"><title>${label}, ${name}: ${show(value)}</title></rect>`
      );
    });
  });
  return drawing(title, labels, series, show, html`${axis}${columns}`, (i) => LEFT + i * group + group / 2);
}

/** Lines over time. */
export function lineChart(title: string, labels: string[], series: Series[], scale: Scale): Markup {
  const { show } = scale;
  const { axis, y } = frame(Math.max(0, ...series.flatMap(({ values }) => values)), scale);
  const step = (WIDTH - LEFT - 10) / Math.max(labels.length - 1, 1);
  const x = (i: number) => LEFT + 5 + i * step;
  const lines = series.map(
    ({ colour, values, name }) =>
      html`<polyline class="${colour} line" points="${values.map((value, i) => `${round(x(i))},${round(y(value))}`).join(' ')}"/>${values.map((value, i) => html`<circle class="${colour}" cx="${round(x(i))}" cy="${round(y(value))}" r="3"><title>${labels[i] ?? ''}, ${name}: ${show(value)}</title></circle>`)}`,
  );
  return drawing(title, labels, series, show, html`${axis}${lines}`, x);
}

function frame(most: number, scale: Scale) {
  const { show } = scale;
  const top = roundAbove(most, scale);
  const y = (value: number) => HEIGHT - BOTTOM - (value / top) * (HEIGHT - BOTTOM - TOP);
  const axis = Array.from({ length: GRID_LINES + 1 }, (_, i) => {
    const value = (top / GRID_LINES) * i;
    return html`<line class="axis" x1="${LEFT}" x2="${WIDTH}" y1="${round(y(value))}" y2="${round(y(value))}"/><text x="${LEFT - 6}" y="${round(y(value) + 4)}" text-anchor="end">${show(value)}</text>`;
  });
  return { axis, y };
}

/** A top of the axis whose quarters are round numbers too. */
function roundAbove(most: number, { base, isWhole = false }: Scale): number {
  if (most <= 0) return GRID_LINES;
  const unit = base === 1024 ? 1024 ** Math.max(0, Math.floor(Math.log2(most) / 10)) : 1;
  const ten = unit * 10 ** Math.floor(Math.log10(most / unit));
  const tops = [1.2, 2, 4, 8, 12].map((step) => step * ten);
  return tops.find((top) => top >= most && (!isWhole || (top / GRID_LINES) % 1 === 0)) ?? GRID_LINES;
}

function drawing(
  title: string,
  labels: string[],
  series: Series[],
  show: (value: number) => string,
  content: Markup,
  x: (i: number) => number,
): Markup {
  // Labels that would touch each other are left out.
  const every = Math.ceil(labels.length / MAX_LABELS);
  const shown = labels.map((label, i) => {
    if (i % every !== 0) return null;
    const at = x(i);
    const anchor = at > WIDTH - 40 ? 'end' : 'middle';
    return html`<text x="${round(anchor === 'end' ? WIDTH : at)}" y="${HEIGHT - 6}" text-anchor="${anchor}">${label}</text>`;
  });
  const rows = labels.map(
    (label, i) =>
      html`<tr><th scope="row">${label}</th>${series.map(({ values }) => html`<td class="size">${show(values[i] ?? 0)}</td>`)}</tr>`,
  );
  return html`<figure><figcaption><b>${title}</b><span class="legend">${series.length > 1 && series.map(({ name, colour }) => html`<span><i class="${colour}"></i>${name}</span>`)}</span></figcaption>
<svg class="chart" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${title}: chart, its figures are in the table below">${content}${shown}</svg>
<details class="figures"><summary>${title}: table</summary><div class="scroll" tabindex="0" role="region" aria-label="${title}"><table class="plain"><thead><tr><td></td>${series.map(({ name }) => html`<th scope="col" class="size">${name}</th>`)}</tr></thead><tbody>${rows}</tbody></table></div></details></figure>`;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
