import type { Balancing, Started } from '../../balance/handle.ts';
import type { Counts, Run } from '../../balance/runs.ts';
import type { Gauge } from '../../http/metrics.ts';
import { KeepError } from '../../keep/errors.ts';
import { parseLocator } from '../../keep/locator.ts';

export interface BalanceDependencies {
  /** Null: BALANCER is not bound, or a cluster's keep-balance does this. */
  balancing: (() => Balancing) | null;
  config: { balance: { periodSeconds: number }; apiUrl: string | null };
}

/** `GET balance`: state and the last runs. */
export async function balanceStatus(deps: BalanceDependencies): Promise<Response> {
  const { current, runs, lost, unreadable } = await handle(deps).status();
  return Response.json({
    period_seconds: deps.config.balance.periodSeconds,
    current: current === null ? null : runRecord(current),
    runs: runs.map(runRecord),
    lost: lost.map(({ hash, size, collections }) => ({ locator: `${hash}+${size}`, collections })),
    unreadable,
  });
}

/** `POST balance/{run,dry-run,confirm,cancel}`. */
export async function balanceAction(action: string, deps: BalanceDependencies): Promise<Response> {
  const balancing = handle(deps);
  const actions: Record<string, () => Promise<Started>> = {
    run: () => balancing.start(false),
    'dry-run': () => balancing.start(true),
    confirm: () => balancing.confirm(),
    cancel: () => balancing.cancel(),
  };
  const act = Object.hasOwn(actions, action) ? actions[action] : undefined;
  if (act === undefined) throw new KeepError('not_found', { message: 'balance takes run, dry-run, confirm or cancel' });
  const started = await act();
  if (!started.ok) throw new KeepError('invalid_record', { message: started.message });
  return Response.json(runRecord(started.run));
}

/** `GET balance/explain/{locator}`: why a block is kept or not. */
export async function balanceExplain(locator: string, deps: BalanceDependencies): Promise<Response> {
  const { hash } = parseLocator(locator);
  const { runAt, namedBy, unnamedSince, ...rest } = await handle(deps).explain(hash);
  return Response.json({
    ...rest,
    run_at: runAt,
    named_by: namedBy,
    unnamed_since: unnamedSince,
  });
}

/** keep-balance's names where they fit. Nothing before the first run. */
export async function balanceGauges(balancing: () => Balancing): Promise<Gauge[]> {
  const { runs, current } = await balancing().status();
  const last = runs.find(({ phase }) => phase === 'done');
  if (last === undefined) return [];
  const { counts } = last;
  const pairs: [string, number, number][] = [
    ['total', counts.storedBlocks, counts.storedBytes],
    ['garbage', counts.unnamedBlocks, counts.unnamedBytes],
    ['lost', counts.lostBlocks, counts.lostBytes],
  ];
  return [
    ...pairs.flatMap(([name, blocks, bytes]): Gauge[] => [
      figure(`${name}_blocks`, `Blocks: ${name}, in the last run.`, blocks),
      figure(`${name}_bytes`, `Bytes: ${name}, in the last run.`, bytes),
    ]),
    figure(
      'underreplicated_blocks',
      'Blocks with fewer copies than their collections ask for.',
      counts.underreplicated,
    ),
    figure('overreplicated_blocks', 'Blocks with more copies than their collections ask for.', counts.overreplicated),
    figure('trash_entries_sent', 'Trash list entries of the last run.', last.isDry ? 0 : counts.trashCopies),
    figure('pull_entries_sent', 'Pull list entries of the last run.', last.isDry ? 0 : counts.pullCopies),
    figure(
      'last_finished_timestamp_seconds',
      'Unix time at which the last run ended.',
      Math.floor((last.finishedAt ?? 0) / 1000),
    ),
    figure('running', '1 while a run is under way.', current === null ? 0 : 1),
  ];
}

const figure = (name: string, help: string, value: number): Gauge => ({
  name: `arvados_keepbalance_${name}`,
  help,
  value,
});

function handle({ balancing, config }: BalanceDependencies): Balancing {
  if (config.apiUrl !== null)
    throw new KeepError('invalid_record', { message: "beside a cluster the cluster's own keep-balance does this" });
  if (balancing === null)
    throw new KeepError('not_configured', {
      message: 'balancing needs the Durable Object BALANCER: bind it in wrangler.toml',
    });
  return balancing();
}

export function runRecord({ id, isDry, phase, startedAt, finishedAt, counts: { mounts, ...counts }, message }: Run) {
  const timeOf = (ms: number | null) => (ms === null ? null : new Date(ms).toISOString());
  return {
    id,
    dry_run: isDry,
    phase,
    started_at: timeOf(startedAt),
    finished_at: timeOf(finishedAt),
    message,
    counts: snakeCase(counts),
    mounts,
  };
}

function snakeCase(counts: Omit<Counts, 'mounts'>): Record<string, number> {
  return Object.fromEntries(
    Object.entries(counts).map(([name, value]) => [
      name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
      value,
    ]),
  );
}
