import type { Edit, EditRequest } from './edits.ts';

/** What objects take for an edit, and for a range of a block with its locator. */
const EDIT_BYTES = 200;
const RANGE_BYTES = 150;

/** What a request takes in memory while it waits, about. */
export function requestBytes({ edits, conditions, segments, attributes }: Omit<EditRequest, 'writer'>): number {
  return (
    edits.reduce((sum, edit) => sum + editBytes(edit), 0) +
    conditions.length * EDIT_BYTES +
    (segments?.length ?? 0) * 2 * RANGE_BYTES +
    textBytes(attributes ?? {})
  );
}

/** The same of a record's attributes. */
export function textBytes(record: object): number {
  return 2 * JSON.stringify(record).length;
}

function editBytes(edit: Edit): number {
  const paths = 'to' in edit ? edit.to.length + edit.from.length : edit.path.length;
  const ranges = edit.kind === 'put' ? edit.ranges.length * RANGE_BYTES : 0;
  const more = edit.kind === 'properties' ? edit.set : 'metadata' in edit ? edit.metadata : undefined;
  return EDIT_BYTES + 2 * paths + ranges + (more === undefined ? 0 : textBytes(more));
}
