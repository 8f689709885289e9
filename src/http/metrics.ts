/**
 * Counters of this isolate in Prometheus text. Another isolate has its own: sums over time are meaningful, a single
 * reading is a sample. Durable figures (queue lengths) come from the Durable Objects at the time of asking.
 */
const counters = new Map<string, number>();

/** Adds to `name{labels}`. Labels must come from small fixed sets. */
export function count(name: string, labels: Record<string, string | number> = {}, by = 1): void {
  add(seriesKey(name, labels), by);
}

function add(series: string, by: number): void {
  counters.set(series, (counters.get(series) ?? 0) + by);
}

/** keepstore's two summaries, as sum and count. */
export function countRequest(method: string, code: number, toStatusMs: number, totalMs: number): void {
  const labels = seriesKey('', { code, method: method.toLowerCase() });
  add(`request_duration_seconds_sum${labels}`, totalMs / 1000);
  add(`request_duration_seconds_count${labels}`, 1);
  add(`time_to_status_seconds_sum${labels}`, toStatusMs / 1000);
  add(`time_to_status_seconds_count${labels}`, 1);
}

export interface Gauge {
  name: string;
  labels?: Record<string, string>;
  value: number;
  /** counter: a sum that is kept somewhere durable. */
  type?: 'gauge' | 'counter';
}

/** Prometheus text format 0.0.4. */
export function renderMetrics(gauges: Gauge[]): string {
  const series = new Map(counters);
  for (const { name, labels, value } of gauges) series.set(seriesKey(name, labels ?? {}), value);
  const names = new Map<string, string[]>();
  for (const [key, value] of series) {
    const name = key.replace(/\{.*/s, '');
    const lines = names.get(name) ?? [];
    lines.push(`${key} ${value}`);
    names.set(name, lines);
  }
  const gaugeNames = new Set(gauges.filter(({ type }) => type !== 'counter').map(({ name }) => name));
  return [...names]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, lines]) => `# TYPE ${name} ${gaugeNames.has(name) ? 'gauge' : 'counter'}\n${lines.join('\n')}\n`)
    .join('');
}

/** Plain concatenation: every request counts half a dozen series. */
function seriesKey(name: string, labels: Record<string, string | number>): string {
  let text = '';
  for (const key in labels) {
    const value = String(labels[key]);
    text += `${text === '' ? '' : ','}${key}="${/["\\\n]/.test(value) ? value.replace(/["\\\n]/g, '_') : value}"`;
  }
  return text === '' ? name : `${name}{${text}}`;
}
