import { html, type Markup } from '../../pages/markup.ts';
import { formatCount, formatSize, formatTime } from '../../pages/numbers.ts';
import type { Json } from './api.ts';
import { columnChart, lineChart } from './charts.ts';
import { COUNTS, number, SECONDS, SIZES, scrollTable, section } from './operator-widgets.ts';

/** Sections of the operator's page about what goes on by itself: queues, the balancer, what it counts. */

const QUEUES: Record<string, string> = {
  pull: 'Pull: copies to be made',
  trash: 'Trash: copies to be moved there',
  repair: 'Repair: bad copies that reads met',
};
const SHOWN_ERRORS = 5;

/** @param queues by name; null where none are bound */
export function queuesSection(queues: Record<string, Json | null> | null): Markup {
  const known = Object.entries(queues ?? {}).flatMap(([name, status]) => (status === null ? [] : [{ name, status }]));
  if (known.length === 0) return section('queues', 'Queues', html`<p class="soft">Not bound here.</p>`);
  const rows = known.map(({ name, status }) => {
    const sum = (kind: string) =>
      Object.values(status.total?.[kind] ?? {}).reduce((all: number, n) => all + Number(n), 0);
    const failed = sum('failed');
    const reasons = Object.entries(status.total?.failed ?? {}).map(([reason, n]) => `${reason}: ${number(Number(n))}`);
    return [
      html`${QUEUES[name] ?? name}${status.isWorking === false && html`<br><small class="soft">switched off by configuration</small>`}`,
      number(Number(status.pending ?? 0)),
      number(Number(status.inProgress ?? 0)),
      status.list?.startedAt ? `${Number(status.ratePerSecond ?? 0).toLocaleString('en')} a second` : '',
      number(sum('done')),
      number(sum('skipped')),
      { content: number(failed), isBad: failed > 0 },
      reasons.join(', '),
    ];
  });
  const errors = known.flatMap(({ name, status }) =>
    (status.lastErrors ?? [])
      .slice(0, SHOWN_ERRORS)
      .map(({ at, locator, reason, message }: Json) => [
        formatTime(at),
        name,
        html`<code>${locator}</code>`,
        reason,
        message,
      ]),
  );
  return section(
    'queues',
    'Queues',
    html`${scrollTable('Queues', ['Queue', '#Waiting', '#Under way', '#Rate of this list', '#Done', '#Left out', '#Failed', 'Why'], rows)}${
      errors.length > 0 &&
      html`<h3>Last failures</h3>${scrollTable('Last failures of queues', ['Time', 'Queue', 'Block', 'Reason', 'Message'], errors)}`
    }`,
  );
}

export function balanceSection(balance: Json | null): Markup {
  if (balance === null)
    return section(
      'balancer',
      'Balancer',
      html`<p class="soft">Not here: beside a cluster its keep-balance does this.</p>`,
    );
  const runs: Json[] = [...balance.runs].reverse();
  const done = runs.filter(({ phase }) => phase === 'done');
  const last = runs.at(-1);
  const labels = done.map(({ started_at }) => String(started_at).slice(5, 16).replace('T', ' '));
  const of = (name: string) => done.map(({ counts }) => Number(counts[name] ?? 0));
  const lost: Json[] = balance.lost ?? [];
  const took = done.map(({ started_at, finished_at }) => (Date.parse(finished_at) - Date.parse(started_at)) / 1000);
  return section(
    'balancer',
    'Balancer',
    html`<p>${last === undefined ? 'It has not run yet.' : `Last run: ${formatTime(last.started_at)}, ${last.phase}${last.dry_run ? ', dry' : ''}${last.message ? `: ${last.message}` : ''}.`} ${balance.period_seconds > 0 ? `It runs every ${formatCount(Math.round(balance.period_seconds / 3600), 'hour')}.` : 'It does not run by itself.'}</p>
${
  lost.length > 0 &&
  html`<p class="problem" role="alert">${formatCount(lost.length, 'block')} of collections cannot be found: <code>${lost
    .slice(0, 5)
    .map(({ locator }) => locator)
    .join(' ')}</code></p>`
}${
  done.length > 0 &&
  html`<div class="charts">${lineChart(
    'Bytes by run',
    labels,
    [
      { name: 'named', colour: 'a', values: of('named_bytes') },
      { name: 'stored', colour: 'b', values: of('stored_bytes') },
      { name: 'that no collection names', colour: 'c', values: of('unnamed_bytes') },
    ],
    SIZES,
  )}${columnChart(
    'Copies on the lists of each run',
    labels,
    [
      { name: 'to the trash', colour: 'c', values: of('trash_copies') },
      { name: 'to be pulled', colour: 'a', values: of('pull_copies') },
    ],
    COUNTS,
  )}${columnChart('Time that each run took', labels, [{ name: 'time', colour: 'a', values: took }], SECONDS)}</div>`
}`,
  );
}

export function usageSection(usage: Json | null, names: ReadonlyMap<string, string>): Markup {
  const history: Json[] = [...(usage?.history ?? [])].reverse();
  if (usage === null || history.length === 0)
    return section('usage', 'Usage', html`<p class="soft">The balancer counts it; it has not done so yet.</p>`);
  const labels = history.map(({ measured_at }) => String(measured_at).slice(5, 10));
  const of = (name: string) => history.map((row) => Number(row[name] ?? 0));
  const rows = (usage.largest ?? []).map(({ uuid, bytes, blocks }: Json) => [
    html`${names.get(uuid) ?? ''} <code>${uuid}</code>`,
    formatSize(Number(bytes)),
    number(Number(blocks)),
  ]);
  return section(
    'usage',
    'Usage',
    html`<div class="charts">${lineChart(
      'Bytes of collections over time',
      labels,
      [
        { name: 'in collections', colour: 'a', values: of('collections_bytes') },
        { name: 'each block once', colour: 'b', values: of('named_bytes') },
      ],
      SIZES,
    )}${lineChart('Collections over time', labels, [{ name: 'collections', colour: 'a', values: of('collections') }], COUNTS)}</div>
<h3>Largest</h3>${scrollTable('Largest users and projects', ['User or project', '#Bytes', '#Blocks'], rows)}`,
  );
}
