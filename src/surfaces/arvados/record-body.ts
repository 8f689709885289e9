import * as v from 'valibot';
import { KeepError } from '../../keep/errors.ts';
import type { Row } from '../../records/columns.ts';

/** A record from a request, checked. @throws KeepError invalid_record that names the attribute */
export function parseRecord<Schema extends v.GenericSchema>(schema: Schema, record: Row): v.InferOutput<Schema> {
  const result = v.safeParse(schema, record);
  if (result.success) return result.output;
  throw new KeepError('invalid_record', {
    message: `${v.getDotPath(result.issues[0]) ?? 'record'}: ${result.issues[0].message}`,
  });
}

/** exactOptionalPropertyTypes: omits keys whose value is undefined. */
export function present<T extends object>(record: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(record).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]: Exclude<T[K], undefined>;
  };
}
