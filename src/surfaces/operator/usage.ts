import { setQuota } from '../../collections/quota.ts';
import { KeepError } from '../../keep/errors.ts';
import { INFIX, isUuid } from '../../records/ids.ts';

const MAX_ROWS = 1000;
const BODY_BYTES = 1000;
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
      .prepare(`SELECT asked.uuid, coalesce(kind, 'owner') AS kind, coalesce(u.bytes, 0) AS bytes,
           coalesce(blocks, 0) AS blocks, measured_at, quotas.bytes AS quota
         FROM (SELECT ? AS uuid) AS asked LEFT JOIN usage AS u ON u.subject_uuid = asked.uuid
         LEFT JOIN quotas ON quotas.subject_uuid = asked.uuid WHERE u.bytes IS NOT NULL OR quotas.bytes IS NOT NULL`)
      .bind(uuid)
      .first();
    if (row === null)
      throw new KeepError('not_found', { message: 'the last balancing run counted nothing under this UUID' });
    return Response.json(row);
  }
  const kind = query.get('kind') ?? 'owner';
  if (kind !== 'owner' && kind !== 'collection')
    throw new KeepError('invalid_record', { message: 'kind is owner (users and projects) or collection' });
  const limit = limitOf(query.get('limit'));
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

/** A negative LIMIT means none to SQLite. */
function limitOf(text: string | null): number {
  if (text === null) return DEFAULT_ROWS;
  if (!/^\d{1,9}$/.test(text)) throw new KeepError('invalid_record', { message: 'limit is a whole number' });
  return Math.min(Number(text), MAX_ROWS);
}

/** `PUT quotas/{uuid}` with `{"bytes": 500000000000}`, or null for no limit: the most that a user or project may name. */
export async function putQuota(db: D1Database | undefined, uuid: string, request: Request): Promise<Response> {
  if (db === undefined) throw new KeepError('not_configured', { message: 'quotas need the binding DB' });
  const isSubject =
    (isUuid(uuid, INFIX.user) &&
      (await db.prepare('SELECT 1 FROM users WHERE uuid = ?').bind(uuid).first()) !== null) ||
    (isUuid(uuid, INFIX.group) &&
      (await db.prepare('SELECT 1 FROM groups WHERE uuid = ?').bind(uuid).first()) !== null);
  if (!isSubject) throw new KeepError('not_found', { message: `${uuid.slice(0, 40)} is no user or project here` });
  const length = request.headers.get('Content-Length');
  if (length === null) throw new KeepError('length_required');
  if (Number(length) > BODY_BYTES) throw new KeepError('too_large', { message: 'send {"bytes": N}' });
  const body = (await request.json().catch(() => null)) as { bytes?: unknown } | null;
  const bytes = body?.bytes;
  if (bytes !== null && (!Number.isSafeInteger(bytes) || (bytes as number) < 0))
    throw new KeepError('invalid_record', { message: 'bytes is a whole number, or null for no limit' });
  await setQuota(db, uuid, bytes as number | null);
  return Response.json({ uuid, quota: bytes });
}
