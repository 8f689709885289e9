import type { User } from '../accounts/account.ts';
import { endedToken, validTokenLook } from '../accounts/d1-authority.ts';
import { canRead, LEVEL, requireAtLeast, toLevel } from '../accounts/levels.ts';
import { levelFor } from '../accounts/permission-sql.ts';
import { notTrashed, readableRow } from '../accounts/readable-sql.ts';
import { KeepError } from '../keep/errors.ts';
import type { Row } from '../records/columns.ts';
import { INFIX, isUuid } from '../records/ids.ts';
import { lookAt, NO_LOOK, rowLook, together } from '../records/look.ts';
import { WHOLE_ROW } from './change-row.ts';
import { type Collection, columnsToRead, toCollection } from './collection-row.ts';
import { type Quota, quotasLook } from './quota.ts';
import { COLLECTIONS } from './tables.ts';
import { COLLECTION_STATES, STATES_CTE, stateLevelSql, stateNotTrashed } from './version-states.ts';

/** Who changes a collection as a whole. */
export interface Changer {
  user: User;
  /** Null for the root token. */
  tokenUuid: string | null;
}

export interface GetOptions {
  includeTrash?: boolean;
  /** Also read a text that is in the row: up to 1 MB. */
  withText?: boolean;
  /** Attributes of the record, if not all are needed: a description may be long. `uuid` and `current_version_uuid` are always. */
  select?: readonly string[];
}

/** Finds collections and past versions by UUID or portable data hash, for one user. @param now Unix milliseconds */
export function createFinder(db: D1Database, now: () => number) {
  /** @throws KeepError not_found for what is no id */
  function findStatement(
    id: string,
    user: User,
    { includeTrash = false, withText = false, select }: GetOptions = {},
  ): D1PreparedStatement {
    const byUuid = isUuid(id, INFIX.collection);
    const pdh = hashOf(id);
    if (!byUuid && pdh === undefined) throw notFound();
    // One row: its level is looked at once, afterwards.
    const readable = byUuid ? [] : readableRow('collections', user);
    const conditions = [...readable, ...(includeTrash ? [] : [notTrashed('collections')])];
    const where = [byUuid ? 'uuid = ?' : 'portable_data_hash = ?', ...conditions.map(({ sql }) => `(${sql})`)];
    const trashedLast = includeTrash && !byUuid ? 'trash_at IS NOT NULL, ' : '';
    return db
      .prepare(
        `SELECT ${columnsToRead(withText, COLLECTIONS, select)}, ${levelFor('collections', user)} AS permission_level,
           EXISTS (SELECT 1 FROM file_metadata WHERE collection_uuid = collections.uuid) AS has_metadata
         FROM collections WHERE ${where.join(' AND ')} ORDER BY ${trashedLast}modified_at DESC LIMIT 1`,
      )
      .bind(byUuid ? id : (pdh ?? ''));
  }

  /** @throws KeepError not_found */
  async function find(id: string, user: User, options?: GetOptions): Promise<Collection> {
    return shown(await findStatement(id, user, options).first<Row>(), id, user, options);
  }

  /** What findStatement found; null: no state of now. */
  async function shown(row: Row | null, id: string, user: User, options?: GetOptions): Promise<Collection> {
    const found = row ?? (await findVersion(id, user, options));
    if (found === null || !canRead(toLevel(found.permission_level))) throw notFound();
    return toCollection(found);
  }

  async function findVersion(
    id: string,
    user: User,
    { includeTrash = false, withText = false }: GetOptions = {},
  ): Promise<Row | null> {
    const level = stateLevelSql(user);
    const pdh = hashOf(id);
    const [column, value] = pdh === undefined ? ['uuid', id] : ['portable_data_hash', pdh];
    return db
      .prepare(
        `WITH ${STATES_CTE} SELECT ${columnsToRead(withText, COLLECTION_STATES)}, ${level} AS permission_level FROM states
         WHERE ${column} = ? AND ${level} >= ${LEVEL.read} ${includeTrash ? '' : `AND ${stateNotTrashed().sql}`} LIMIT 1`,
      )
      .bind(value)
      .first<Row>();
  }

  /** Those of these collections and past versions that the user may read, with the texts that are in their rows. One query. */
  async function findMany(uuids: string[], user: User): Promise<Map<string, Collection>> {
    const level = stateLevelSql(user);
    const { results } = await db
      .prepare(
        `WITH ${STATES_CTE} SELECT ${columnsToRead(true, COLLECTION_STATES)}, ${level} AS permission_level FROM states
         WHERE uuid IN (SELECT value FROM json_each(?)) AND ${level} >= ${LEVEL.read}`,
      )
      .bind(JSON.stringify(uuids))
      .all<Row>();
    return new Map(results.map((row) => [String(row.uuid), toCollection(row)]));
  }

  /**
   * Changes name a collection by UUID: many may share a portable data hash.
   * @throws KeepError not_found; forbidden when the user may only read it; invalid_record for a past version
   */
  async function findToChange(uuid: string, user: User, options?: GetOptions): Promise<Collection> {
    if (!isUuid(uuid, INFIX.collection)) throw notFound();
    return toChange(await find(uuid, user, options));
  }

  function toChange(found: Collection): Collection {
    if (found.isPast) throw pastVersion();
    requireAtLeast(found.level, 'write');
    return found;
  }

  /**
   * findToChange when the change's turn has come, with all that it needs, in one round trip.
   * @param options.mayGrow whether quotas are looked at as well
   * @throws KeepError as findToChange; unauthorized when the token has ended
   */
  async function openToChange(
    uuid: string,
    { user, tokenUuid }: Changer,
    { mayGrow = false, ...options }: GetOptions & { mayGrow?: boolean } = {},
  ): Promise<{ found: Collection; before: Row; quotas: Quota[] | undefined }> {
    if (!isUuid(uuid, INFIX.collection)) throw notFound();
    const whole = db.prepare(`SELECT ${WHOLE_ROW} FROM collections WHERE uuid = ?`).bind(uuid);
    const [isValid, row, before, quotas] = await lookAt(
      db,
      together(
        validTokenLook(db, tokenUuid, now()),
        rowLook(findStatement(uuid, user, options)),
        rowLook(whole),
        mayGrow ? quotasLook(db, uuid) : NO_LOOK,
      ),
    );
    if (!isValid) throw endedToken();
    const found = toChange(await shown(row, uuid, user, options));
    if (before === null) throw notFound();
    return { found, before, quotas };
  }

  return { find, findMany, findToChange, openToChange };
}

function hashOf(id: string): string | undefined {
  return /^([0-9a-f]{32}\+\d+)/.exec(id)?.[1];
}

function pastVersion(): KeepError {
  return new KeepError('invalid_record', {
    message: 'a past version of a collection cannot be changed: change the current one, or restore the version',
  });
}

function notFound(): KeepError {
  return new KeepError('not_found', { message: 'Path not found' });
}
