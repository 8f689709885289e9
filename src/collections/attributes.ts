import * as v from 'valibot';
import { KeepError } from '../keep/errors.ts';
import type { Row } from '../records/columns.ts';
import { storedObject } from '../records/json-object.ts';
import { formatTime, normaliseTime } from '../records/times.ts';

const MAX_NAME_LENGTH = 255;
const MAX_PROPERTIES_BYTES = 200_000;
/** Logs are many: 1,000 of them are one page. */
const MAX_SUMMARY_LENGTH = 10_000;
const MAX_LOG_PROPERTIES_BYTES = 65_536;
const MAX_STORAGE_CLASSES = 50;

const Name = v.nullable(
  v.pipe(
    v.string(),
    v.maxLength(MAX_NAME_LENGTH, 'value too long'),
    v.check(
      (name) => name !== '.' && name !== '..' && !name.includes('/'),
      'must not be "." or ".." and must not contain "/"',
    ),
  ),
);
const Time = v.nullable(
  v.pipe(
    v.string(),
    v.check(
      (text) => text === '' || normaliseTime(text) !== null,
      'write a time such as 2030-01-31T12:00:00Z, in the years 1 to 9999',
    ),
    v.transform((text) => (text === '' ? null : normaliseTime(text))),
  ),
);
const Properties = storedObject(MAX_PROPERTIES_BYTES);
const Description = v.pipe(
  v.nullable(v.pipe(v.string(), v.maxLength(MAX_PROPERTIES_BYTES, 'value too long'))),
  v.transform((text) => text ?? ''),
);

/** Attributes that a client may set on collections and projects. */
const Common = {
  owner_uuid: v.optional(v.nullable(v.string())),
  name: v.optional(Name),
  description: v.optional(Description),
  properties: v.optional(Properties),
  trash_at: v.optional(Time),
  delete_at: v.optional(Time),
};

export const CollectionAttributes = v.object({
  ...Common,
  portable_data_hash: v.optional(v.nullable(v.string())),
  replication_desired: v.optional(
    v.nullable(v.pipe(v.number(), v.safeInteger('must be a whole number below 2^53'), v.minValue(0))),
  ),
  storage_classes_desired: v.optional(
    v.nullable(
      v.pipe(
        v.array(v.pipe(v.string(), v.nonEmpty(), v.maxLength(MAX_NAME_LENGTH, 'value too long'))),
        v.minLength(1, 'must not be empty'),
        v.maxLength(MAX_STORAGE_CLASSES, `at most ${MAX_STORAGE_CLASSES} classes`),
      ),
    ),
  ),
  preserve_version: v.optional(v.nullable(v.boolean())),
});

export const GroupAttributes = v.object({ ...Common, group_class: v.optional(v.nullable(v.string())) });

const ShortText = v.nullable(v.pipe(v.string(), v.maxLength(MAX_NAME_LENGTH, 'value too long')));

export const LogAttributes = v.object({
  event_type: v.optional(ShortText),
  object_uuid: v.optional(ShortText),
  summary: v.optional(v.nullable(v.pipe(v.string(), v.maxLength(MAX_SUMMARY_LENGTH, 'value too long')))),
  properties: v.optional(storedObject(MAX_LOG_PROPERTIES_BYTES)),
  event_at: v.optional(Time),
});

/**
 * A client's attributes, checked. Attributes that clients cannot set are not in the schema and are ignored.
 * @throws KeepError invalid_record (422) that names the attribute
 */
export function checkAttributes<Schema extends v.GenericSchema>(
  schema: Schema,
  attributes: Row,
): v.InferOutput<Schema> {
  const result = v.safeParse(schema, attributes);
  if (result.success) return result.output;
  const [issue] = result.issues;
  throw new KeepError('invalid_record', { message: `${v.getDotPath(issue) ?? 'record'}: ${issue.message}` });
}

/**
 * The times of a trashed record. A trash time in the past becomes now; deletion comes at least `lifetimeSeconds` later,
 * so that no signature outlives its collection.
 */
export function trashTimes(
  trashAt: string | null,
  deleteAt: string | null | undefined,
  now: number,
  lifetimeSeconds: number,
): Row {
  if (trashAt === null) return { trash_at: null, delete_at: null };
  const current = formatTime(now);
  const trash = trashAt < current ? current : trashAt;
  const earliest = formatTime(Date.parse(trash) + lifetimeSeconds * 1000);
  return {
    trash_at: trash,
    delete_at: deleteAt !== undefined && deleteAt !== null && deleteAt > earliest ? deleteAt : earliest,
  };
}
