import { formatBytes, plural } from '../../keep/human-format.ts';
import type { Row } from '../api-client.ts';
import { usageError } from '../cli-error.ts';
import type { Command, Given } from '../command.ts';
import { FEW_RETRIES, quickRetryPolicy } from '../retries.ts';
import { openSession } from '../session.ts';
import { print } from '../terminal.ts';

export const usage: Command = {
  name: 'usage',
  summary: 'bytes and blocks by owner, project or collection (admins)',
  usage: '[UUID] [options]',
  options: {
    collections: { value: null, help: 'the largest collections, instead of users and projects' },
    history: { value: null, help: 'totals of the runs so far' },
    quota: { value: 'SIZE', help: 'the most that this user or project may name: 500G, 2T, none' },
    limit: { value: 'N', help: 'rows to show (20)' },
    json: { value: null, help: 'what the service answers' },
    retries: FEW_RETRIES,
  },
  help: `
The figures are those of the last run of keep-edge balance. A block that several collections share counts once for each
user and project, so the sum over all can be more than what is stored.`,
  run: runUsage,
};

const DEFAULT_ROWS = 20;

async function runUsage(given: Given): Promise<number> {
  const session = openSession({ retry: quickRetryPolicy(given) });
  try {
    const [uuid] = given.arguments;
    const quota = given.text('quota');
    if (quota !== undefined) {
      if (uuid === undefined) throw usageError('--quota needs the UUID of a user or project.');
      const bytes = parseQuota(quota);
      await session.api(`keep-edge/v1/quotas/${encodeURIComponent(uuid)}`, { method: 'PUT', body: { bytes } });
      print(bytes === null ? `${uuid} has no quota.` : `${uuid} may use up to ${formatBytes(bytes)}.`);
      return 0;
    }
    const query = {
      ...(uuid === undefined ? {} : { uuid }),
      kind: given.has('collections') ? 'collection' : 'owner',
      limit: String(given.count('limit') ?? DEFAULT_ROWS),
    };
    const answer = await session.api('keep-edge/v1/usage', { query });
    if (given.has('json')) print(JSON.stringify(answer, null, 2));
    else if (uuid !== undefined) print(line(answer));
    else print((given.has('history') ? history(answer) : overview(answer)).join('\n'));
    return 0;
  } finally {
    session.close();
  }
}

const UNITS = 'KMGTP';

/** `500G` and the like, in powers of 1024; `none` takes the limit away. */
function parseQuota(text: string): number | null {
  if (text === 'none') return null;
  const [, number = '', unit = ''] = /^(\d{1,9}(?:\.\d+)?)([KMGTP]?)i?B?$/i.exec(text) ?? [];
  if (number === '') throw usageError('--quota takes a size such as 500G or 2T, or none.');
  return Math.round(Number(number) * 1024 ** (UNITS.indexOf(unit.toUpperCase()) + 1));
}

function overview({ latest, saved_by_sharing_bytes, largest }: Row): string[] {
  if (latest === null) return ['No run has counted anything yet: keep-edge balance --dry-run'];
  const l = latest as Record<string, number>;
  return [
    `As of ${String(l.measured_at).slice(0, 19)}Z, ${plural(l.collections ?? 0, 'collection')}:`,
    `  data of collections   ${formatBytes(l.named_bytes ?? 0)} (sharing of blocks saves ${formatBytes(Number(saved_by_sharing_bytes))})`,
    `  stored, all copies    ${formatBytes(l.stored_bytes ?? 0)}`,
    `  named by none         ${formatBytes(l.unnamed_bytes ?? 0)}`,
    `  in the trash          ${formatBytes(l.trashed_bytes ?? 0)}`,
    ...(largest as Row[]).map(line),
  ];
}

function history({ history: rows }: Row): string[] {
  return (rows as Record<string, number>[]).map(
    (row) =>
      `${String(row.measured_at).slice(0, 16)}  ${plural(row.collections ?? 0, 'collection').padStart(20)}  ${formatBytes(row.named_bytes ?? 0).padStart(10)} named  ${formatBytes(row.stored_bytes ?? 0).padStart(10)} stored`,
  );
}

function line({ uuid, bytes, blocks, quota }: Row): string {
  const limit = typeof quota === 'number' ? `, of ${formatBytes(quota)}` : '';
  return `${String(uuid).padEnd(29)}${formatBytes(Number(bytes)).padStart(10)}  ${plural(Number(blocks), 'block')}${limit}`;
}
