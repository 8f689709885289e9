/**
 * Counters of this isolate in Prometheus text. Another isolate has its own: sums over time are meaningful, a single
 * reading is a sample. Durable figures (queue lengths) come from the Durable Objects at the time of asking.
 */
const counters = new Map<string, number>();

/** Adds to `name{labels}`. Labels must come from small fixed sets. */
export function count(name: string, labels: Record<string, string | number> = {}, by = 1): void {
  const key = seriesKey(name, labels);
  counters.set(key, (counters.get(key) ?? 0) + by);
}

/** keepstore's two summaries, as sum and count. */
export function countRequest(method: string, code: number, toStatusMs: number, totalMs: number): void {
  const labels = { code, method: method.toLowerCase() };
  count('request_duration_seconds_sum', labels, totalMs / 1000);
  count('request_duration_seconds_count', labels);
  count('time_to_status_seconds_sum', labels, toStatusMs / 1000);
  count('time_to_status_seconds_count', labels);
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

function seriesKey(name: string, labels: Record<string, string | number>): string {
  const entries = Object.entries(labels);
  if (entries.length === 0) return name;
  return `${name}{${entries.map(([key, value]) => `${key}="${String(value).replace(/["\\\n]/g, '_')}"`).join(',')}}`;
}
