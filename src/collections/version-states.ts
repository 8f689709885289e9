import type { User } from '../accounts/account.ts';
import { LEVEL } from '../accounts/levels.ts';
import { linkedSql, passedOnSql } from '../accounts/permission-sql.ts';
import { notTrashed, readableSql } from '../accounts/readable-sql.ts';
import type { Table } from '../records/columns.ts';
import type { Condition } from '../records/filters.ts';
import type { ListParameters, Scope } from '../records/list-query.ts';
import { COLLECTIONS } from './tables.ts';

/** Columns that a version has of its own, under the same names as in collections. */
export const VERSION_COLUMNS = [
  'name',
  'description',
  'properties',
  'portable_data_hash',
  'manifest_inline',
  'manifest_key',
  'manifest_bytes',
  'file_count',
  'file_size_total',
  'file_names',
  'preserve_version',
  'created_at',
  'modified_at',
  'modified_by_user_uuid',
  'version',
  'revision',
];

/** Of the current collection, whatever the version. */
const SHARED = [
  'owner_uuid',
  'replication_desired',
  'replication_confirmed',
  'replication_confirmed_at',
  'storage_classes_desired',
  'storage_classes_confirmed',
  'storage_classes_confirmed_at',
  'trash_at',
  'delete_at',
];
const STATES = 'states';

/** Collections and their past versions, as the CTE `states`. SQLite looks rows up in it by the indexes of both tables. */
export const STATES_CTE = `${STATES} AS NOT MATERIALIZED (
    SELECT uuid, uuid AS current_version_uuid, ${[...VERSION_COLUMNS, ...SHARED].join(', ')} FROM collections
    UNION ALL
    SELECT past.uuid, past.current_version_uuid, ${VERSION_COLUMNS.map((name) => `past.${name}`).join(', ')}, ${SHARED.map((name) => `collections.${name}`).join(', ')}
    FROM collection_versions AS past CROSS JOIN collections ON collections.uuid = past.current_version_uuid)`;

/** The table of lists with `include_old_versions`. */
export const COLLECTION_STATES: Table = {
  name: STATES,
  kind: COLLECTIONS.kind,
  key: 'uuid',
  columns: { ...COLLECTIONS.columns, current_version_uuid: { type: 'text' } },
};

/** SQL of the level on a row of STATES_CTE: a version has the permissions of the current collection. */
export function stateLevelSql(user: User): string {
  if (user.isAdmin) return String(LEVEL.manage);
  return `max(${passedOnSql(`${STATES}.owner_uuid`, user)}, ${linkedSql(`${STATES}.current_version_uuid`, user)})`;
}

export function stateNotTrashed(): Condition {
  return notTrashed('collections', `${STATES}.owner_uuid`);
}

/** Filters that leave few rows, so that each is judged by itself. */
const SELECTIVE = new Set(['uuid', 'current_version_uuid', 'portable_data_hash']);

/** How a list with `include_old_versions` finds what the user may read. */
export function scopeOfStates({ filters, select }: ListParameters, user: User, includeTrash: boolean): Scope {
  const asksLevel = !Array.isArray(select) || select.includes('can_write') || select.includes('can_manage');
  const level = stateLevelSql(user);
  const extra = asksLevel ? [`${level} AS permission_level`] : [];
  const shown = includeTrash ? [] : [stateNotTrashed()];
  if (user.isAdmin) return { ctes: STATES_CTE, conditions: shown, extra };
  const isNarrow =
    Array.isArray(filters) &&
    filters.some(
      (filter) => Array.isArray(filter) && SELECTIVE.has(String(filter[0])) && ['=', 'in'].includes(String(filter[1])),
    );
  if (isNarrow)
    return {
      ctes: STATES_CTE,
      conditions: [{ sql: `${level} >= ${LEVEL.read}`, values: [] }, ...shown],
      extra,
    };
  const readable = `${STATES}.owner_uuid IN (SELECT uuid FROM readable)
    OR ${STATES}.current_version_uuid IN (SELECT uuid FROM granted WHERE class = 'collection')`;
  return {
    ctes: `${readableSql(user, includeTrash)}, ${STATES_CTE}`,
    conditions: [{ sql: readable, values: [] }, ...shown],
    extra,
  };
}
