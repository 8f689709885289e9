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
  forms: { '': [0, 0], UUID: [1, 1], 'UUID --quota': [1, 1], '--collections': [0, 0], '--history': [0, 0] },
  options: {
    collections: { value: null, help: 'the largest collections, instead of users and projects' },
    history: { value: null, help: 'totals of the runs so far' },
    quota: { value: 'SIZE', help: 'the most that this user or project may name: 500G, 2T, none' },
    limit: { value: 'N', forms: ['', '--collections'], help: 'rows to show (20)' },
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
    const [uuid = ''] = given.arguments;
    const show = (answer: Row, lines: string[]) =>
      print(given.has('json') ? JSON.stringify(answer, null, 2) : lines.join('\n'));
    if (given.form === 'UUID --quota') {
      const bytes = parseQuota(given.text('quota') ?? '');
      const path = `keep-edge/v1/quotas/${encodeURIComponent(uuid)}`;
      const said = bytes === null ? `${uuid} has no quota.` : `${uuid} may use up to ${formatBytes(bytes)}.`;
      show(await session.api(path, { method: 'PUT', body: { bytes } }), [said]);
    } else if (given.form === 'UUID') {
      const answer = await session.api('keep-edge/v1/usage', { query: { uuid } });
      show(answer, [line(answer)]);
    } else {
      const isHistory = given.form === '--history';
      const kind = given.form === '--collections' ? 'collection' : 'owner';
      const limit = String(isHistory ? 1 : (given.count('limit') ?? DEFAULT_ROWS));
      const answer = await session.api('keep-edge/v1/usage', { query: { kind, limit } });
      show(answer, isHistory ? history(answer) : overview(answer));
    }
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
