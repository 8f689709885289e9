import { html, type Markup } from '../../pages/markup.ts';
import { formatSize } from '../../pages/numbers.ts';
import type { Json } from './api.ts';
import { columnChart, lineChart } from './charts.ts';
import { type Figures, type Sample, samplesOf, sumBy } from './figures.ts';
import { COUNTS, card, MILLISECONDS, milliseconds, number, scrollTable, section } from './operator-widgets.ts';

/** Sections of the operator's page about requests, caches and mounts. */

const SHOWN_HOURS = 48;

/** Requests by status, and how long they took. @param hours of the last week; null: figures are of one isolate */
export function requestsSection(figures: Figures, hours: Json[] | null): Markup {
  const counts = sumBy(samplesOf(figures, 'request_duration_seconds_count'), ({ code = '?' }) => `${code[0]}xx`);
  const statuses = sumBy(samplesOf(figures, 'request_duration_seconds_count'), ({ code = '?' }) => code);
  const total = [...counts.values()].reduce((sum, n) => sum + n, 0);
  const all = samplesOf(figures, 'keep_edge_request_seconds_bucket');
  const rows = [...statuses].sort().map(([code, n]) => [{ content: code, isBad: code >= '500' }, number(n)]);
  return section(
    'requests',
    'Requests',
    html`<p class="soft">${
      hours === null
        ? 'Of the isolate that made this page, since it started: bind FIGURES to gather those of all.'
        : 'Of all isolates, since the service was first deployed.'
    }</p><div class="cards">${card(number(total), 'requests')}${card(number(counts.get('5xx') ?? 0), 'failed (5xx)')}${card(percentile(all, 0.5), 'half of them took')}${card(percentile(all, 0.95), '95 of 100 took')}</div>
${hours !== null && hours.length > 0 && hourCharts(hours)}
${surfaceTable(figures)}<h3>By status</h3>${scrollTable('Requests by status', ['Status', '#Requests'], rows)}`,
  );
}

function hourCharts(hours: Json[]): Markup {
  const shown = hours.slice(-SHOWN_HOURS);
  const labels = shown.map(({ begins_at }) => String(begins_at).slice(5, 13).replace('T', ' ').concat('h'));
  const of = (key: string) => shown.map((hour) => Number(hour[key] ?? 0));
  const means = shown.map(({ ok, refused, failed, seconds }) => (seconds / Math.max(ok + refused + failed, 1)) * 1000);
  return html`<div class="charts">${columnChart(
    'Requests by the hour (UTC)',
    labels,
    [
      { name: 'answered', colour: 'a', values: of('ok') },
      { name: 'refused (4xx)', colour: 'b', values: of('refused') },
      { name: 'failed (5xx)', colour: 'c', values: of('failed') },
    ],
    COUNTS,
  )}${lineChart('Time until the end of an answer, mean', labels, [{ name: 'mean', colour: 'a', values: means }], MILLISECONDS)}</div>`;
}

/** What was asked for, from the histogram of each surface. */
function surfaceTable(figures: Figures): Markup | null {
  const samples = samplesOf(figures, 'keep_edge_request_seconds_bucket');
  const counts = samplesOf(figures, 'keep_edge_request_seconds_count');
  const surfaces = [...sumBy(counts, ({ surface = '' }) => surface).keys()].sort();
  if (surfaces.length === 0) return null;
  const rows = surfaces.map((name) => {
    const own = counts.filter(({ labels }) => labels.surface === name);
    const by = sumBy(own, ({ outcome = '' }) => outcome);
    const buckets = samples.filter(({ labels }) => labels.surface === name);
    const failed = by.get('failed') ?? 0;
    return [
      name,
      number(by.get('ok') ?? 0),
      number(by.get('refused') ?? 0),
      { content: number(failed), isBad: failed > 0 },
      percentile(buckets, 0.5),
      percentile(buckets, 0.95),
    ];
  });
  return html`<h3>By what was asked for</h3>${scrollTable('Requests by what was asked for', ['Asked for', '#Answered', '#Refused', '#Failed', '#Half took', '#95 of 100 took'], rows)}`;
}

/** The upper end of the bucket that a share of all requests reaches. */
function percentile(buckets: Sample[], share: number): string {
  const sums = sumBy(buckets, ({ le = '' }) => le);
  const total = sums.get('+Inf') ?? 0;
  if (total === 0) return 'no figure';
  const ends = [...sums].filter(([le]) => le !== '+Inf').sort(([a], [b]) => Number(a) - Number(b));
  const end = ends.find(([, reached]) => reached >= share * total)?.[0];
  if (end === undefined) return `over ${ends.at(-1)?.[0] ?? 0} s`;
  return Number(end) < 1 ? `up to ${Number(end) * 1000} ms` : `up to ${end} s`;
}

const CACHES: Record<string, string> = {
  local: 'blocks, in this data centre (EDGE_CACHE = "local")',
  tiered: 'blocks, across data centres (EDGE_CACHE = "tiered")',
};

export function cacheSection(figures: Figures): Markup {
  const samples = samplesOf(figures, 'keep_edge_cache_reads_total');
  const by = sumBy(samples, ({ cache = '', result = '' }) => `${cache} ${result}`);
  const caches = [...new Set(samples.map(({ labels }) => labels.cache ?? ''))].sort();
  const rows = caches.map((cache) => {
    const hits = by.get(`${cache} hit`) ?? 0;
    const misses = by.get(`${cache} miss`) ?? 0;
    const share = Math.round((100 * hits) / Math.max(hits + misses, 1));
    return [CACHES[cache] ?? cache, number(hits), number(misses), `${share} %`];
  });
  return section(
    'caches',
    'Caches',
    rows.length === 0
      ? html`<p class="soft">No read has asked a cache yet, or EDGE_CACHE is off.</p>`
      : scrollTable('Caches', ['What', '#Found', '#Not found', '#Found, of all'], rows),
  );
}

/** @param balance sizes are of its last run that ended */
export function mountsSection(mounts: Json[] | null, figures: Figures, balance: Json | null): Markup {
  if (mounts === null)
    return section(
      'mounts',
      'Mounts',
      html`<p class="soft">There are none here: this service has no volumes of its own.</p>`,
    );
  const by = (name: string, key: (labels: Record<string, string>) => string) => sumBy(samplesOf(figures, name), key);
  const device = ({ device_id = '' }: Record<string, string>) => device_id;
  const operation = ({ device_id = '', operation = '' }: Record<string, string>) => `${device_id} ${operation}`;
  const operations = by('arvados_keepstore_volume_operations', device);
  const errors = by('arvados_keepstore_volume_errors', device);
  const each = by('arvados_keepstore_volume_operations', operation);
  const seconds = by('keep_edge_volume_operation_seconds_total', operation);
  const bytes = by(
    'arvados_keepstore_volume_io_bytes',
    ({ device_id = '', direction = '' }) => `${device_id} ${direction}`,
  );
  const run = balance?.runs?.find(({ phase }: Json) => phase === 'done') ?? null;
  const mean = (key: string) => {
    const count = each.get(key) ?? 0;
    return count === 0 ? '' : milliseconds(((seconds.get(key) ?? 0) / count) * 1000);
  };
  const rows = mounts.map((mount) => {
    const id = mount.device_id ?? mount.DeviceID ?? '';
    const uuid = mount.uuid ?? mount.UUID ?? '';
    const writes = mount.AllowWrite ?? mount.allow_write ?? !(mount.read_only ?? mount.ReadOnly ?? false);
    const use = run?.mounts?.[uuid];
    const failed = errors.get(id) ?? 0;
    return [
      html`<code>${uuid}</code><br><small class="soft">${id}</small>`,
      writes ? 'read and write' : 'read only',
      use === undefined ? '' : formatSize(Number(use.bytes)),
      use === undefined ? '' : number(Number(use.blocks)),
      number(operations.get(id) ?? 0),
      { content: number(failed), isBad: failed > 0 },
      mean(`${id} get`),
      mean(`${id} put`),
      formatSize(bytes.get(`${id} in`) ?? 0),
      formatSize(bytes.get(`${id} out`) ?? 0),
    ];
  });
  const counts = run?.counts ?? null;
  return section(
    'mounts',
    'Mounts',
    html`${
      counts === null
        ? html`<p class="soft">The balancer counts sizes; it has not done so yet.</p>`
        : html`<div class="cards">${card(formatSize(Number(counts.stored_bytes ?? 0)), 'stored, all copies')}${card(number(Number(counts.stored_blocks ?? 0)), 'blocks')}${card(formatSize(Number(counts.unnamed_bytes ?? 0)), 'that no collection names')}</div>`
    }${scrollTable('Mounts', ['Mount', 'For', '#Size', '#Blocks', '#Requests', '#Errors', '#A read answers in', '#A write takes', '#Read', '#Written'], rows)}`,
  );
}
