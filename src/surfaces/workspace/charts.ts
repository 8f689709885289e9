import { html, type Markup } from '../../pages/markup.ts';

/** Charts drawn here, as SVG: no script, and a table's worth of words for who does not see them. */

const WIDTH = 640;
const HEIGHT = 180;
const LEFT = 62;
const BOTTOM = 24;
const TOP = 10;
const GRID_LINES = 4;

export interface Series {
  name: string;
  /** One of the page's three colours. */
  colour: 'a' | 'b' | 'c';
  /** As many as there are labels. */
  values: number[];
}

/** Columns side by side, one group for each label. @param show how a value is written at the axis */
export function columnChart(
  title: string,
  labels: string[],
  series: Series[],
  show: (value: number) => string,
): Markup {
  const { axis, y } = frame(series, show);
  const group = (WIDTH - LEFT) / Math.max(labels.length, 1);
  const width = Math.max(1, (group * 0.7) / Math.max(series.length, 1));
  const columns = series.flatMap(({ name, colour, values }, s) =>
    values.map((value, i) => {
      const top = y(value);
      return html`<rect class="${colour}" x="${round(LEFT + i * group + group * 0.15 + s * width)}" y="${round(top)}" width="${round(width)}" height="${round(HEIGHT - BOTTOM - top)}"><title>${labels[i] ?? ''}, ${name}: ${show(value)}</title></rect>`;
    }),
  );
  return drawing(title, labels, series, html`${axis}${columns}`, (i) => LEFT + i * group + group / 2);
}

/** Lines over time. */
export function lineChart(title: string, labels: string[], series: Series[], show: (value: number) => string): Markup {
  const { axis, y } = frame(series, show);
  const step = (WIDTH - LEFT - 10) / Math.max(labels.length - 1, 1);
  const x = (i: number) => LEFT + 5 + i * step;
  const lines = series.map(
    ({ colour, values, name }) =>
      html`<polyline class="${colour} line" points="${values.map((value, i) => `${round(x(i))},${round(y(value))}`).join(' ')}"><title>${name}</title></polyline>${values.map((value, i) => html`<circle class="${colour}" cx="${round(x(i))}" cy="${round(y(value))}" r="3"><title>${labels[i] ?? ''}, ${name}: ${show(value)}</title></circle>`)}`,
  );
  return drawing(title, labels, series, html`${axis}${lines}`, x);
}

function frame(series: Series[], show: (value: number) => string) {
  const most = Math.max(1, ...series.flatMap(({ values }) => values));
  const y = (value: number) => HEIGHT - BOTTOM - (value / most) * (HEIGHT - BOTTOM - TOP);
  const axis = Array.from({ length: GRID_LINES + 1 }, (_, i) => {
    const value = (most / GRID_LINES) * i;
    return html`<line class="axis" x1="${LEFT}" x2="${WIDTH}" y1="${round(y(value))}" y2="${round(y(value))}"/><text x="${LEFT - 6}" y="${round(y(value) + 4)}" text-anchor="end">${show(value)}</text>`;
  });
  return { axis, y };
}

function drawing(title: string, labels: string[], series: Series[], content: Markup, x: (i: number) => number): Markup {
  // Labels that would touch each other are left out.
  const every = Math.ceil(labels.length / 7);
  const shown = labels.map(
    (label, i) =>
      i % every === 0 && html`<text x="${round(x(i))}" y="${HEIGHT - 6}" text-anchor="middle">${label}</text>`,
  );
  const words = series.map(({ name, values }) => `${name}: ${values.at(-1) ?? 'nothing'} last`).join('; ');
  return html`<figure><svg class="chart" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${title}. ${words}">${content}${shown}</svg><figcaption class="legend">${series.map(({ name, colour }) => html`<span><i class="${colour}"></i>${name}</span>`)}</figcaption></figure>`;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
