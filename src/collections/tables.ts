import { IS_TRASHED, type Table } from '../records/columns.ts';

const COMMON = {
  uuid: { type: 'text' },
  owner_uuid: { type: 'text' },
  created_at: { type: 'time' },
  modified_at: { type: 'time' },
  modified_by_user_uuid: { type: 'text' },
} as const;

export const COLLECTIONS: Table & { name: 'collections' } = {
  name: 'collections',
  kind: 'arvados#collection',
  columns: {
    ...COMMON,
    name: { type: 'text' },
    description: { type: 'text' },
    properties: { type: 'object' },
    portable_data_hash: { type: 'text' },
    manifest_text: { type: 'text', onRequest: true },
    unsigned_manifest_text: { type: 'text', onRequest: true },
    file_names: { type: 'text', onlyFilter: true },
    file_count: { type: 'integer' },
    file_size_total: { type: 'integer' },
    replication_desired: { type: 'integer' },
    replication_confirmed: { type: 'integer' },
    replication_confirmed_at: { type: 'time' },
    storage_classes_desired: { type: 'array' },
    storage_classes_confirmed: { type: 'array' },
    storage_classes_confirmed_at: { type: 'time' },
    version: { type: 'integer' },
    current_version_uuid: { type: 'text', sql: 'uuid' },
    preserve_version: { type: 'boolean' },
    trash_at: { type: 'time' },
    delete_at: { type: 'time' },
    is_trashed: { type: 'boolean', sql: IS_TRASHED },
  },
};

export const GROUPS: Table & { name: 'groups' } = {
  name: 'groups',
  kind: 'arvados#group',
  columns: {
    ...COMMON,
    name: { type: 'text' },
    group_class: { type: 'text' },
    description: { type: 'text' },
    properties: { type: 'object' },
    frozen_by_uuid: { type: 'text', sql: 'NULL' },
    trash_at: { type: 'time' },
    delete_at: { type: 'time' },
    is_trashed: { type: 'boolean', sql: IS_TRASHED },
  },
};

export const LOGS: Table = {
  name: 'logs',
  kind: 'arvados#log',
  columns: {
    id: { type: 'integer' },
    ...COMMON,
    object_uuid: { type: 'text' },
    object_owner_uuid: { type: 'text' },
    event_type: { type: 'text' },
    summary: { type: 'text' },
    properties: { type: 'object' },
    event_at: { type: 'time' },
  },
};
