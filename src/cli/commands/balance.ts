import { setTimeout } from 'node:timers/promises';
import { formatBytes, formatSeconds, plural } from '../../keep/human-format.ts';
import type { Api, Row } from '../api-client.ts';
import { CliError } from '../cli-error.ts';
import type { Command, Given } from '../command.ts';
import { errorScreen } from '../progress.ts';
import { FEW_RETRIES, quickRetryPolicy } from '../retries.ts';
import { openSession } from '../session.ts';
import { oneLine, print } from '../terminal.ts';

export const balance: Command = {
  name: 'balance',
  summary: 'collect garbage, repair copies, and say why a block is kept (admins)',
  usage: '[options]',
  forms: {
    '': [0, 0],
    '--run': [0, 0],
    '--dry-run': [0, 0],
    '--confirm': [0, 0],
    '--cancel': [0, 0],
    '--explain': [0, 0],
  },
  options: {
    run: { value: null, help: 'start a run and follow it' },
    'dry-run': { value: null, help: 'start a run that sends no lists' },
    confirm: { value: null, help: 'let the run that waits trash what it found' },
    cancel: { value: null, help: 'stop the run under way' },
    explain: { value: 'LOCATOR', help: 'why is this block kept or not, and who names it?' },
    json: { value: null, help: 'what the service answers' },
    retries: FEW_RETRIES,
  },
  help: `
Without options: the run under way, the last ones, and what is lost. A run finds every block that collections name and
every block that is stored, trashes what has been unnamed for as long as signatures live, adds missing copies, and
reports what is lost. The first run of a service is always a dry run.

  keep-edge balance --dry-run
  keep-edge balance --explain acbd18db4cc2f85cedef654fccc4a4d8+3`,
  run: runBalance,
};

const BASE = 'keep-edge/v1/balance';
const POLL_MS = 500;
const PLAIN_LINE_MS = 10_000;
const OVER = new Set(['done', 'failed', 'waiting']);

async function runBalance(given: Given): Promise<number> {
  const session = openSession({ retry: quickRetryPolicy(given) });
  const asJson = given.has('json');
  const show = (value: Row, text: (value: Row) => string) =>
    print(asJson ? JSON.stringify(value, null, 2) : text(value));
  try {
    const { api } = session;
    if (given.form === '--explain') {
      const locator = given.text('explain') ?? '';
      show(await api(`${BASE}/explain/${encodeURIComponent(locator.split('+')[0] ?? '')}`), explanation);
      return 0;
    }
    if (given.form === '') {
      const status = await api(BASE);
      show(status, overview);
      return (status.lost as Row[]).length > 0 ? 1 : 0;
    }
    const action = given.form.replace('--', '');
    const started = await api(`${BASE}/${action}`, { method: 'POST' });
    const run = action === 'run' || action === 'dry-run' ? await follow(api, Number(started.id)) : started;
    show(run, summary);
    return run.phase === 'failed' && action !== 'cancel' ? 1 : 0;
  } finally {
    session.close();
  }
}

/** Asks until the run is over; a terminal sees one line that changes, a pipe a line every ten seconds. */
async function follow(api: Api, id: number): Promise<Row> {
  const screen = errorScreen();
  const started = Date.now();
  let lastLine = 0;
  for (;;) {
    const status = await api(BASE);
    const run = (status.runs as Row[]).find((candidate) => candidate.id === id);
    if (run === undefined) throw new CliError(`Run ${id} is no longer listed.`);
    if (OVER.has(String(run.phase))) {
      if (screen.isTTY) screen.write('\r\x1b[K');
      return run;
    }
    const { collections, stored_blocks } = run.counts as Record<string, number>;
    const line = oneLine(
      `Run ${id}: ${phaseInWords(String(run.phase))}, ${plural(collections ?? 0, 'collection')}, ${plural(stored_blocks ?? 0, 'stored block')}, ${formatSeconds((Date.now() - started) / 1000)}`,
    );
    if (screen.isTTY) screen.write(`\r\x1b[K${line.slice(0, screen.columns - 1)}`);
    else if (Date.now() - lastLine >= PLAIN_LINE_MS) {
      lastLine = Date.now();
      screen.write(`${line}\n`);
    }
    await setTimeout(POLL_MS);
  }
}

function phaseInWords(phase: string): string {
  const words: Record<string, string> = {
    collect: 'reading collections',
    compact: 'merging',
    join: 'comparing with what is stored',
    trashed: 'measuring the trash',
    confirm: 'writing back copies',
    usage: 'writing usage',
    lists: 'sending lists',
    waiting: 'waits for --confirm',
  };
  return words[phase] ?? phase;
}

function overview({ current, runs, lost, unreadable, period_seconds }: Row): string {
  const period = Number(period_seconds);
  const lines = [
    period > 0
      ? `A run starts every ${formatSeconds(period)} (BALANCE_PERIOD).`
      : 'Runs start by hand only: set BALANCE_PERIOD to start them by themselves.',
  ];
  if (current !== null) lines.push(`Under way: ${summary(current as Row)}`);
  const ended = (runs as Row[]).filter(({ phase }) => phase === 'done' || phase === 'failed');
  for (const run of ended.slice(0, 5)) {
    const counts = run.counts as Record<string, number>;
    const what =
      run.phase === 'failed'
        ? `failed: ${run.message}`
        : `trash ${counts.trash_copies}, pull ${counts.pull_copies}, lost ${counts.lost_blocks}`;
    lines.push(
      `  run ${run.id}  ${String(run.started_at).slice(0, 16).replace('T', ' ')}${run.dry_run ? '  dry' : '     '}  ${what}`,
    );
  }
  for (const { locator, collections } of lost as Row[])
    lines.push(`LOST ${locator}, named by ${(collections as string[]).join(', ')}`);
  for (const { uuid, problem } of unreadable as Row[]) lines.push(`UNREADABLE ${uuid}: ${problem}`);
  return lines.join('\n');
}

function summary(run: Row): string {
  const c = run.counts as Record<string, number>;
  const row = (name: string, blocks: number | undefined, bytes: number | undefined) =>
    `  ${name.padEnd(34)}${String(blocks ?? 0).padStart(12)} blocks  ${formatBytes(bytes ?? 0).padStart(10)}`;
  return [
    `Run ${run.id}${run.dry_run ? ' (dry)' : ''}: ${run.phase}${run.message ? `: ${run.message}` : ''}`,
    row(`named by ${plural(c.collections ?? 0, 'collection')}`, c.named_blocks, c.named_bytes),
    row('stored', c.stored_blocks, c.stored_bytes),
    row('named by none', c.unnamed_blocks, c.unnamed_bytes),
    row(run.dry_run ? 'would be trashed now' : 'to be trashed now', c.trash_copies, c.trash_bytes),
    row(run.dry_run ? 'would get another copy' : 'to get another copy', c.pull_copies, c.pull_bytes),
    row('LOST: named, and nowhere stored', c.lost_blocks, c.lost_bytes),
  ].join('\n');
}

function explanation({ hash, verdict, named_by, wanted, copies, unnamed_since, run_at }: Row): string {
  const { uuids, count } = named_by as { uuids: string[]; count: number };
  const more = count > uuids.length ? `, and ${count - uuids.length} more` : '';
  const wants = Object.entries(wanted as Record<string, number>).map(([name, number]) => `${number} in ${name}`);
  return [
    `${hash}: ${verdict}`,
    `  as of the run of    ${run_at ?? '-'}`,
    `  named by            ${uuids.length === 0 ? 'none' : uuids.join(', ')}${more}`,
    ...(wants.length === 0 ? [] : [`  copies wanted       ${wants.join(', ')}`]),
    ...(unnamed_since === null ? [] : [`  unnamed since       ${unnamed_since}`]),
    ...(copies as Row[]).map(({ mount, mtime }) => `  copy on             ${mount}, written or touched ${mtime}`),
  ].join('\n');
}
