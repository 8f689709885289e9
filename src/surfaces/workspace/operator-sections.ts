import { html, type Markup } from '../../pages/markup.ts';
import { formatCount, formatSize, formatTime } from '../../pages/numbers.ts';
import type { Json } from './api.ts';
import { columnChart, lineChart } from './charts.ts';
import { type Figures, samplesOf, sumBy } from './figures.ts';

/** Parts of the operator's page, each from what one address of the service says. */

const number = (value: number) => Math.round(value).toLocaleString('en');

/** Requests by status, and how long they took. @param everywhere whether the figures are those of all isolates */
export function requestsSection(figures: Figures, everywhere: boolean): Markup {
  const of = (name: string) => sumBy(samplesOf(figures, name), ({ code = '?' }) => `${code[0]}xx`);
  const counts = of('request_duration_seconds_count');
  const times = of('time_to_status_seconds_sum');
  const kinds = [...counts.keys()].sort();
  const total = [...counts.values()].reduce((sum, n) => sum + n, 0);
  const seconds = [...times.values()].reduce((sum, n) => sum + n, 0);
  const failed = counts.get('5xx') ?? 0;
  const where = everywhere
    ? 'Of all isolates.'
    : 'Of the isolate that made this page, since it started: others have their own.';
  return html`<h2 id="requests">Requests</h2><p class="soft">${where}</p><div class="cards">${card(number(total), 'requests')}${card(number(failed), 'failed (5xx)')}${card(`${((seconds / Math.max(total, 1)) * 1000).toFixed(1)} ms`, 'until the status, on average')}</div>
${kinds.length > 0 && columnChart('Requests by status', kinds, [{ name: 'requests', colour: 'a', values: kinds.map((kind) => counts.get(kind) ?? 0) }], number)}
${kinds.length > 0 && columnChart('Milliseconds until the status, on average', kinds, [{ name: 'ms until the status', colour: 'b', values: kinds.map((kind) => ((times.get(kind) ?? 0) / Math.max(counts.get(kind) ?? 0, 1)) * 1000) }], (ms) => ms.toFixed(ms < 10 ? 1 : 0))}${surfacesChart(figures)}`;
}

/** Milliseconds by what was asked for, where the figures of all isolates are gathered. */
function surfacesChart(figures: Figures): Markup | null {
  const by = (name: string) => sumBy(samplesOf(figures, name), ({ surface = '?' }) => surface);
  const counts = by('keep_edge_request_seconds_count');
  const seconds = by('keep_edge_request_seconds_sum');
  const surfaces = [...counts.keys()].sort();
  if (surfaces.length === 0) return null;
  const means = surfaces.map((surface) => ((seconds.get(surface) ?? 0) / Math.max(counts.get(surface) ?? 0, 1)) * 1000);
  return columnChart(
    'Milliseconds a request by what was asked for, on average',
    surfaces,
    [{ name: 'ms a request', colour: 'c', values: means }],
    (ms) => ms.toFixed(ms < 10 ? 1 : 0),
  );
}

/** Whatever counts hits of a cache. */
export function cacheSection(figures: Figures): Markup | null {
  const names = [...new Set([...figures.keys()].map((series) => series.replace(/\{.*$/, '')))].filter(
    (name) => /cache/.test(name) && !/seconds/.test(name),
  );
  if (names.length === 0) return null;
  const rows = names.flatMap((name) =>
    samplesOf(figures, name).map(
      ({ labels, value }) =>
        html`<tr><td>${name.replace(/^keep_edge_/, '').replaceAll('_', ' ')}</td><td>${Object.entries(labels)
          .map(([key, text]) => `${key} ${text}`)
          .join(', ')}</td><td class="size">${number(value)}</td></tr>`,
    ),
  );
  return html`<h2>Caches</h2><table class="plain"><thead><tr><th>What</th><th>Which</th><th class="size">Times</th></tr></thead><tbody>${rows}</tbody></table>`;
}

export function mountsSection(
  mounts: Json[] | null,
  figures: Figures,
  usage: Json | null,
  balance: Json | null,
): Markup {
  const operations = sumBy(
    samplesOf(figures, 'arvados_keepstore_volume_operations'),
    ({ device_id = '' }) => device_id,
  );
  const errors = sumBy(samplesOf(figures, 'arvados_keepstore_volume_errors'), ({ device_id = '' }) => device_id);
  const bytes = sumBy(
    samplesOf(figures, 'arvados_keepstore_volume_io_bytes'),
    ({ device_id = '', direction = '' }) => `${device_id} ${direction}`,
  );
  const rows = (mounts ?? []).map((mount) => {
    const id = mount.device_id ?? mount.DeviceID ?? '';
    const uuid = mount.uuid ?? mount.UUID ?? '';
    const failed = errors.get(id) ?? 0;
    const writes = mount.AllowWrite ?? mount.allow_write ?? !(mount.read_only ?? mount.ReadOnly ?? false);
    return html`<tr><td><code>${uuid}</code><br><small class="soft">${id}</small></td><td>${writes ? 'read and write' : 'read only'}</td><td class="size">${number(operations.get(id) ?? 0)}</td><td class="size${failed > 0 && ' bad'}">${number(failed)}</td><td class="size">${formatSize(bytes.get(`${id} in`) ?? 0)}</td><td class="size">${formatSize(bytes.get(`${id} out`) ?? 0)}</td></tr>`;
  });
  const counts = balance?.runs?.find(({ phase }: Json) => phase === 'done')?.counts ?? usage?.latest ?? null;
  const stored =
    counts === null
      ? null
      : html`<div class="cards">${card(formatSize(Number(counts.stored_bytes ?? 0)), 'stored, all copies')}${card(number(Number(counts.stored_blocks ?? 0)), 'blocks')}${card(formatSize(Number(counts.unnamed_bytes ?? 0)), 'that no collection names')}</div>`;
  return html`<h2 id="mounts">Mounts</h2>${stored}${
    mounts === null
      ? html`<p class="soft">There are none here: this service has no volumes of its own.</p>`
      : html`<div class="scroll"><table class="plain"><thead><tr><th>Mount</th><th>For</th><th class="size">Requests</th><th class="size">Errors</th><th class="size">Read</th><th class="size">Written</th></tr></thead><tbody>${rows}</tbody></table></div>`
  }`;
}

export function queuesSection(pull: Json | null, trash: Json | null): Markup {
  const rows = [
    ['Pull', pull],
    ['Trash', trash],
  ].flatMap(([name, status]) => {
    if (status === null) return [];
    const total = status.total ?? {};
    const sum = (kind: string) => Object.values(total[kind] ?? {}).reduce((all: number, n) => all + Number(n), 0);
    const reasons = Object.entries(total.failed ?? {})
      .map(([reason, n]) => `${reason}: ${n}`)
      .join(', ');
    const pending = status.pending ?? status.Pending ?? status.length ?? 0;
    return [
      html`<tr><td>${name}</td><td class="size">${number(Number(pending))}</td><td class="size">${number(sum('done'))}</td><td class="size">${number(sum('skipped'))}</td><td class="size">${number(sum('failed'))}</td><td>${reasons}</td></tr>`,
    ];
  });
  return html`<h2 id="queues">Queues</h2>${
    rows.length === 0
      ? html`<p class="soft">Not bound here.</p>`
      : html`<div class="scroll"><table class="plain"><thead><tr><th>Queue</th><th class="size">Waiting</th><th class="size">Done</th><th class="size">Left out</th><th class="size">Failed</th><th>Why</th></tr></thead><tbody>${rows}</tbody></table></div>`
  }`;
}

export function balanceSection(balance: Json | null): Markup {
  if (balance === null)
    return html`<h2 id="balancer">Balancer</h2><p class="soft">Not here: beside a cluster its keep-balance does this.</p>`;
  const runs: Json[] = [...balance.runs].reverse();
  const done = runs.filter(({ phase }) => phase === 'done');
  const last = runs.at(-1);
  const labels = done.map(({ started_at }) => String(started_at).slice(5, 16).replace('T', ' '));
  const of = (name: string) => done.map(({ counts }) => Number(counts[name] ?? 0));
  const lost: Json[] = balance.lost ?? [];
  return html`<h2 id="balancer">Balancer</h2><p>${last === undefined ? 'It has not run yet.' : `Last run: ${formatTime(last.started_at)}, ${last.phase}${last.message ? `: ${last.message}` : ''}.`} ${balance.period_seconds > 0 ? `It runs every ${formatCount(Math.round(balance.period_seconds / 3600), 'hour')}.` : 'It does not run by itself.'}</p>
${
  lost.length > 0 &&
  html`<p class="problem">${formatCount(lost.length, 'block')} of collections cannot be found: <code>${lost
    .slice(0, 5)
    .map(({ locator }) => locator)
    .join(' ')}</code></p>`
}
${
  done.length > 0 &&
  lineChart(
    'Bytes by run of the balancer',
    labels,
    [
      { name: 'named', colour: 'a', values: of('named_bytes') },
      { name: 'stored', colour: 'b', values: of('stored_bytes') },
      { name: 'moved to the trash', colour: 'c', values: of('trash_bytes') },
    ],
    formatSize,
  )
}`;
}

export function usageSection(usage: Json | null): Markup {
  const history: Json[] = [...(usage?.history ?? [])].reverse();
  if (usage === null || history.length === 0)
    return html`<h2 id="usage">Usage</h2><p class="soft">The balancer counts it; it has not done so yet.</p>`;
  const labels = history.map(({ measured_at }) => String(measured_at).slice(5, 10));
  const of = (name: string) => history.map((row) => Number(row[name] ?? 0));
  const rows = (usage.largest ?? []).map(
    ({ uuid, bytes, blocks }: Json) =>
      html`<tr><td><code>${uuid}</code></td><td class="size">${formatSize(Number(bytes))}</td><td class="size">${number(Number(blocks))}</td></tr>`,
  );
  return html`<h2 id="usage">Usage</h2>${lineChart(
    'Bytes of collections over time',
    labels,
    [
      { name: 'in collections', colour: 'a', values: of('collections_bytes') },
      { name: 'each block once', colour: 'b', values: of('named_bytes') },
    ],
    formatSize,
  )}
<table class="plain"><thead><tr><th>Who has most</th><th class="size">Bytes</th><th class="size">Blocks</th></tr></thead><tbody>${rows}</tbody></table>`;
}

function card(value: string, what: string): Markup {
  return html`<div class="card"><b>${value}</b><span>${what}</span></div>`;
}
