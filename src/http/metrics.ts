/**
 * Counters of this isolate. Where figures are gathered (gathered-figures.ts) they are handed over every second, and what is left
 * here is the rest; else a single reading is a sample.
 */
const counters = new Map<string, number>();

/** Takes all that was counted since the last time. */
export function takeCounters(): [series: string, by: number][] {
  const taken = [...counters];
  counters.clear();
  return taken;
}

/** For figures that could not be handed over. */
export function putBackCounters(taken: readonly [series: string, by: number][]): void {
  for (const [series, by] of taken) add(series, by);
}

/** Adds to `name{labels}`. Labels must come from small fixed sets. */
export function count(name: string, labels: Record<string, string | number> = {}, by = 1): void {
  add(seriesKey(name, labels), by);
}

function add(series: string, by: number): void {
  counters.set(series, (counters.get(series) ?? 0) + by);
}

/** As `count`, for a series that is counted often: its text is joined once. */
export function createCounter(name: string, labels: Record<string, string | number>): (by?: number) => void {
  const series = seriesKey(name, labels);
  return (by = 1) => add(series, by);
}

/** Texts of series that every request counts, by what makes them differ: joining them anew costs more than to count. */
const joined = new Map<string, string[]>();

function joinedOnce(key: string, join: () => string[]): string[] {
  const texts = joined.get(key) ?? join();
  joined.set(key, texts);
  return texts;
}

/** keepstore's two summaries, as sum and count. */
export function countRequest(method: string, code: number, toStatusMs: number, totalMs: number): void {
  const [total = '', requests = '', toStatus = '', statuses = ''] = joinedOnce(`${code} ${method}`, () => {
    const labels = seriesKey('', { code, method: method.toLowerCase() });
    const summary = (name: string) => [`${name}_sum${labels}`, `${name}_count${labels}`];
    return [...summary('request_duration_seconds'), ...summary('time_to_status_seconds')];
  });
  add(total, totalMs / 1000);
  add(requests, 1);
  add(toStatus, toStatusMs / 1000);
  add(statuses, 1);
}

/** Upper ends in seconds. */
const LATENCIES = [0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60];

/** One request in the histogram of its surface. @param surface from a small fixed set */
export function countLatency(surface: string, code: number, totalMs: number): void {
  const outcome = code < 400 ? 'ok' : code < 500 ? 'refused' : 'failed';
  const seconds = totalMs / 1000;
  const [sum = '', requests = '', ...buckets] = joinedOnce(`${surface} ${outcome}`, () => {
    const labels = `surface="${surface}",outcome="${outcome}"`;
    const ends = [...LATENCIES, '+Inf'].map((end) => `keep_edge_request_seconds_bucket{${labels},le="${end}"}`);
    return [`keep_edge_request_seconds_sum{${labels}}`, `keep_edge_request_seconds_count{${labels}}`, ...ends];
  });
  for (const [i, bucket] of buckets.entries())
    if (seconds <= (LATENCIES[i] ?? Number.POSITIVE_INFINITY)) add(bucket, 1);
  add(sum, seconds);
  add(requests, 1);
}

interface Family {
  /** untyped: a counter by keepstore's name, which lacks the suffix `_total` that the format asks of counters. */
  type: 'counter' | 'gauge' | 'summary' | 'histogram' | 'untyped';
  help: string;
}

/** What is counted in this isolate. */
const FAMILIES: Record<string, Family> = {
  request_duration_seconds: { type: 'summary', help: 'Time from the arrival of a request to the end of its answer.' },
  time_to_status_seconds: { type: 'summary', help: 'Time from the arrival of a request to the head of its answer.' },
  arvados_keepstore_volume_operations: { type: 'untyped', help: 'Requests to the bucket of a volume (a counter).' },
  arvados_keepstore_volume_errors: { type: 'untyped', help: 'Failed requests to the bucket of a volume (a counter).' },
  arvados_keepstore_volume_io_bytes: {
    type: 'untyped',
    help: 'Bytes read from (in) and written to (out) the bucket of a volume (a counter).',
  },
  keep_edge_volume_operation_seconds_total: {
    type: 'counter',
    help: 'Time until the bucket of a volume answered, added up: divided by its operations, the mean.',
  },
  keep_edge_cache_reads_total: { type: 'counter', help: 'Reads of blocks that asked a cache, by whether it had them.' },
  keep_edge_pull_through_total: {
    type: 'counter',
    help: 'Blocks copied into a nearer mount as they were read, by how that ended.',
  },
  keep_edge_hedged_reads_total: {
    type: 'counter',
    help: 'Second requests to another mount because the first one was slow: which of both was faster.',
  },
  keep_edge_corrupt_copies_total: {
    type: 'counter',
    help: 'Reads that met a copy that is not its block, by device.',
  },
  keep_edge_request_seconds: {
    type: 'histogram',
    help: 'Time from the arrival of a request to the end of its answer, by what was asked and how it ended.',
  },
  keep_edge_refused_requests_total: {
    type: 'counter',
    help: 'Requests that were refused because there were too many, by the limit they met.',
  },
  keep_edge_repack_failures_total: {
    type: 'counter',
    help: 'Runs that should have packed small blocks of a collection and failed',
  },
  keep_edge_webhook_requests_total: { type: 'counter', help: 'Requests to receivers of webhooks, by how they ended.' },
  keep_edge_webhook_dropped_total: {
    type: 'counter',
    help: 'Events that receivers of webhooks were not told: refused for a day, no room, no such receiver any more, or the queue did not answer.',
  },
  keep_edge_download_log_dropped_total: {
    type: 'counter',
    help: 'Downloads that were not written to the log: the database failed for long, or the cluster refused them.',
  },
};

/** A figure that is read at the time of asking. */
export interface Gauge {
  name: string;
  /** One sentence for the reader of the metrics. All figures of one name have the same. */
  help: string;
  labels?: Record<string, string>;
  value: number;
  /** counter: a sum that is kept somewhere durable; its name ends with `_total`. */
  type?: 'gauge' | 'counter';
}

/** Prometheus text format 0.0.4, as `promtool check metrics` wants it. */
export function renderMetrics(gauges: Gauge[], counted: Iterable<[string, number]> = counters): string {
  const families = new Map<string, Family & { lines: string[] }>();
  const addLine = (name: string, family: Family, line: string) => {
    const known = families.get(name) ?? { ...family, lines: [] };
    known.lines.push(line);
    families.set(name, known);
  };
  for (const [key, value] of counted) {
    const name = familyOf(key.replace(/\{.*/s, ''));
    addLine(name, FAMILIES[name] ?? { type: 'untyped', help: name }, `${key} ${value}`);
  }
  for (const { name, help, labels = {}, value, type = 'gauge' } of gauges)
    addLine(name, { type, help }, `${seriesKey(name, labels)} ${value}`);
  return [...families]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, { type, help, lines }]) => `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${lines.join('\n')}\n`)
    .join('');
}

/** The lines of a summary or a histogram are one family. */
function familyOf(name: string): string {
  const base = name.replace(/_(?:sum|count|bucket)$/, '');
  const type = FAMILIES[base]?.type;
  return type === 'summary' || type === 'histogram' ? base : name;
}

/** Plain concatenation: every request counts half a dozen series. */
function seriesKey(name: string, labels: Record<string, string | number>): string {
  let text = '';
  for (const key in labels) {
    const value = String(labels[key]);
    text += `${text === '' ? '' : ','}${key}="${/["\\\n]/.test(value) ? escapeLabel(value) : value}"`;
  }
  return text === '' ? name : `${name}{${text}}`;
}

function escapeLabel(value: string): string {
  return value.replace(/["\\]/g, '\\$&').replaceAll('\n', '\\n');
}
