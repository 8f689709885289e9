import { formatSeconds, plural } from '../keep/human-format.ts';
import type { Facts, Finding } from './finding.ts';

/** The cron comes every five minutes. */
const CRON_LATE_MS = 15 * 60_000;
/** A queue that has work settles an entry in this time. */
const STUCK_MS = 15 * 60_000;
const SNAPSHOT_LATE_MS = 26 * 3_600_000;
/** Objects with changes since a snapshot; the cron writes one at 200. */
const MANY_CHANGES = 400;

/** What works in the background: the cron, queues, balancing, backups and the search index. @param now Unix milliseconds */
export function judgeWork(facts: Facts, now: number): Finding[] {
  const cron = judgeCron(facts, now);
  return [
    cron,
    ...judgeQueues(facts.queues as Facts | null, now),
    ...judgeBalance(facts, now),
    ...judgeBackups(facts.backups as Facts | null, now, cron.state === 'good'),
    ...judgeSearch(facts.search as Facts | null),
  ];
}

function judgeCron({ queues, databases }: Facts, now: number): Finding {
  const trash = (queues as Record<string, Facts> | null)?.trash;
  const advice =
    'Is [triggers] in wrangler.toml, and does the cron fail? Dashboard, Workers, Triggers; npx wrangler tail.';
  if (trash === undefined) return { state: 'unknown', what: 'cron: not known without the binding TRASH_QUEUE' };
  const { wokenAt } = trash;
  if (typeof wokenAt === 'string') {
    const what = `cron: last seen ${ago(wokenAt, now)}`;
    return now - Date.parse(wokenAt) <= CRON_LATE_MS ? { state: 'good', what } : { state: 'bad', what, advice };
  }
  const since = Math.min(...(databases as Facts[]).map((one) => Date.parse(String(one.since))).filter(Number.isFinite));
  if (now - since > CRON_LATE_MS) return { state: 'bad', what: 'cron: never seen', advice };
  return { state: 'unknown', what: 'cron: not seen yet; it comes every five minutes' };
}

function judgeQueues(queues: Facts | null, now: number): Finding[] {
  if (queues === null) return [];
  if (typeof queues.error === 'string') return [{ state: 'bad', what: `queues: ${queues.error}` }];
  return Object.entries(queues as Record<string, Facts>).map(([kind, queue]): Finding => {
    const waiting = Number(queue.pending) + Number(queue.inProgress);
    if (waiting === 0) return { state: 'good', what: `${kind} queue: empty` };
    const since = typeof queue.since === 'string' ? queue.since : null;
    const what = `${kind} queue: ${waiting.toLocaleString('en-US')} to do${since === null ? '' : `, last progress ${ago(since, now)}`}`;
    if (queue.isWorking !== true) return { state: 'unknown', what: `${what}; it is switched off (…_CONCURRENCY = 0)` };
    if (since !== null && now - Date.parse(since) <= STUCK_MS) return { state: 'good', what };
    const said = queue.lastError === null ? '' : ` Its last error: ${String(queue.lastError)}`;
    return { state: 'bad', what, advice: `It is stuck. Is the cron seen? npx wrangler tail shows what fails.${said}` };
  });
}

function judgeBalance({ balance, settings }: Facts, now: number): Finding[] {
  if (balance === null) return [];
  const { error, current, last, lost } = balance as Facts;
  if (typeof error === 'string') return [{ state: 'bad', what: `balancing: ${error}` }];
  const period = Number((settings as Facts).balancePeriodSeconds) * 1000;
  const findings: Finding[] = [];
  const [running, ended] = [current as Facts | null, last as Facts | null];
  if (running?.phase === 'waiting')
    findings.push({
      state: 'bad',
      what: `balancing: a run waits: ${String(running.message)}`,
      advice: 'keep-edge balance shows it; keep-edge balance --confirm lets it go on.',
    });
  else if (running !== null) findings.push({ state: 'good', what: `balancing: a run is under way (${running.phase})` });
  if (ended === null) {
    const what = `balancing: no run has ended yet${period === 0 ? ', and none starts by itself (BALANCE_PERIOD)' : ''}`;
    findings.push({ state: 'unknown', what, advice: 'keep-edge balance --dry-run shows what a run would do.' });
  } else {
    const finishedAt = String(ended.finished_at);
    const how = `the last run${ended.dry_run === true ? ', a dry one,' : ''} ended ${ago(finishedAt, now)}: ${ended.phase}`;
    const isLate = period > 0 && now - Date.parse(finishedAt) > 2 * period && running === null;
    if (ended.phase !== 'done')
      findings.push({
        state: 'bad',
        what: `balancing: ${how}: ${String(ended.message)}`,
        advice: 'keep-edge balance starts another one.',
      });
    else if (isLate)
      findings.push({
        state: 'bad',
        what: `balancing: ${how}, more than two periods ago`,
        advice: 'Is the cron seen?',
      });
    else findings.push({ state: 'good', what: `balancing: ${how}` });
  }
  if (Number(lost) > 0)
    findings.push({
      state: 'bad',
      what: `balancing: ${plural(Number(lost), 'block')} lost`,
      advice:
        'keep-edge balance names them. Bring them back from a copy or another cluster: keep-edge put of the file heals it.',
    });
  return findings;
}

function judgeBackups(backups: Facts | null, now: number, isCronSeen: boolean): Finding[] {
  if (backups === null) return [];
  const { error, snapshot, changes, pending, restoring, collectionsComplete } = backups;
  const advice = 'keep-edge backup writes what is missing, or says why it cannot.';
  if (typeof error === 'string')
    return [{ state: 'bad', what: `backups: ${error}`, advice: 'Does the bucket MANIFESTS answer?' }];
  const findings: Finding[] = [];
  if (restoring === true)
    findings.push({ state: 'bad', what: 'backups: a restore has not ended', advice: 'Repeat keep-edge restore.' });
  if (Number(pending) > 0)
    findings.push({ state: 'bad', what: `backups: ${plural(Number(pending), 'change')} not in the bucket`, advice });
  const taken = snapshot as { at: string } | null;
  const since = `${Number(changes).toLocaleString('en-US')} objects with changes since`;
  if (taken === null)
    findings.push({
      state: isCronSeen ? 'bad' : 'unknown',
      what: `backups: no snapshot of accounts yet, ${since}`,
      advice: isCronSeen ? advice : 'The cron writes the first one.',
    });
  else {
    const what = `backups: the last snapshot of accounts is from ${ago(taken.at, now)}, ${since}`;
    const isLate =
      Number(changes) >= MANY_CHANGES || (Number(changes) > 0 && now - Date.parse(taken.at) > SNAPSHOT_LATE_MS);
    findings.push(
      isLate ? { state: 'bad', what: `${what}: the cron should have compacted them`, advice } : { state: 'good', what },
    );
  }
  if (collectionsComplete !== true)
    findings.push({
      state: 'unknown',
      what: 'backups: collections from before the upgrade are still being written, 200 every five minutes',
    });
  return findings;
}

function judgeSearch(search: Facts | null): Finding[] {
  if (search === null || search.bound === false) return [];
  const { error, complete, waiting } = search;
  if (typeof error === 'string')
    return [{ state: 'bad', what: `search index: ${error}`, advice: 'Searches still work, without it.' }];
  if (complete === true) return [{ state: 'good', what: `search index: complete, ${waiting} changed records wait` }];
  return [
    {
      state: 'unknown',
      what: 'search index: not complete yet; until then searches look at every record',
      advice: 'The cron goes on with it; keep-edge search --rebuild does it now.',
    },
  ];
}

function ago(time: string, now: number): string {
  return `${formatSeconds(Math.max(0, Math.round((now - Date.parse(time)) / 1000)))} ago`;
}
