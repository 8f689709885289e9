import { KeepError } from '../../keep/errors.ts';

const MAX_ROWS = 1000;
const DEFAULT_ROWS = 50;
const HISTORY_ROWS = 400;

/**
 * `GET usage`: what the last balancing run counted. Without `uuid`: totals over time, and who uses most; with one: that
 * user, project or collection.
 */
export async function usage(db: D1Database | undefined, query: URLSearchParams): Promise<Response> {
  if (db === undefined)
    throw new KeepError('not_configured', { message: 'usage is counted by the balancer, which needs the binding DB' });
  const uuid = query.get('uuid');
  if (uuid !== null) {
    const row = await db
      .prepare('SELECT subject_uuid AS uuid, kind, bytes, blocks, measured_at FROM usage WHERE subject_uuid = ?')
      .bind(uuid)
      .first();
    if (row === null)
      throw new KeepError('not_found', { message: 'the last balancing run counted nothing under this UUID' });
    return Response.json(row);
  }
  const kind = query.get('kind') ?? 'owner';
  if (kind !== 'owner' && kind !== 'collection')
    throw new KeepError('invalid_record', { message: 'kind is owner (users and projects) or collection' });
  const limit = Math.min(Number(query.get('limit') ?? DEFAULT_ROWS) || DEFAULT_ROWS, MAX_ROWS);
  const [largest, history] = await db.batch<Record<string, unknown>>([
    db
      .prepare(
        'SELECT subject_uuid AS uuid, kind, bytes, blocks, measured_at FROM usage WHERE kind = ? ORDER BY bytes DESC LIMIT ?',
      )
      .bind(kind, limit),
    db.prepare('SELECT * FROM usage_history ORDER BY measured_at DESC LIMIT ?').bind(HISTORY_ROWS),
  ]);
  const rows = history?.results ?? [];
  const latest = rows[0];
  const shared = latest === undefined ? 0 : Number(latest.collections_bytes) - Number(latest.named_bytes);
  return Response.json({
    latest: latest ?? null,
    saved_by_sharing_bytes: shared,
    largest: largest?.results ?? [],
    history: rows,
  });
}
