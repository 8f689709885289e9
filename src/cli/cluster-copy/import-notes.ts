import { appendFileSync, closeSync, openSync } from 'node:fs';
import type { Row } from '../api-client.ts';
import { messageOf } from '../commands/doctor-checks.ts';
import { note, oneLine } from '../terminal.ts';
import { readRecords } from './export-files.ts';

export interface ImportCounts {
  users: number;
  projects: number;
  collections: number;
  links: number;
  failed: number;
}

/** Which record of the export is which one here. Each step is a line of a file before and after it, so that a killed import goes on. */
export interface ImportNotes<Resource> {
  counts: ImportCounts;
  /** Stands for a record of the export without being made. */
  stands(from: string, to: string): void;
  madeOf(from: unknown): string | undefined;
  /** Tells that a record cannot be made, and counts it. */
  fails(from: unknown, why: string): void;
  /**
   * Makes a record, unless it was made, or failed in this run. One whose making was begun, and whose end is not known, is looked for first.
   * @param marks what it is recognised by
   */
  once(
    from: unknown,
    kind: Exclude<keyof ImportCounts, 'failed'>,
    resource: Resource,
    marks: Row,
    make: () => Promise<string>,
  ): Promise<void>;
  close(): void;
}

export async function openNotes<Resource>(
  path: string,
  twinOf: (resource: Resource, marks: Row) => Promise<string | null>,
): Promise<ImportNotes<Resource>> {
  const made = new Map<string, string>();
  const begun = new Set<string>();
  const failed = new Set<string>();
  for await (const { from, to } of readRecords(path, { skipCut: true })) {
    if (typeof to !== 'string') begun.add(String(from));
    else {
      made.set(String(from), to);
      begun.delete(String(from));
    }
  }
  const counts: ImportCounts = { users: 0, projects: 0, collections: 0, links: 0, failed: 0 };
  const file = openSync(path, 'a', 0o600);
  // A run that was killed may have left half a line.
  appendFileSync(file, '\n');
  const add = (line: Row) => appendFileSync(file, `${JSON.stringify(line)}\n`);
  const fails = (from: unknown, why: string) => {
    failed.add(String(from));
    counts.failed++;
    note(oneLine(`${from}: ${why}`));
  };
  return {
    counts,
    fails,
    stands: (from, to) => void made.set(from, to),
    madeOf: (from) => made.get(String(from)),
    async once(source, kind, resource, marks, make) {
      const from = String(source);
      if (made.has(from) || failed.has(from)) return;
      try {
        const known = begun.has(from) ? await twinOf(resource, marks) : null;
        if (known === null) add({ from });
        const to = known ?? (await make());
        made.set(from, to);
        add({ from, to });
        counts[kind]++;
      } catch (error) {
        fails(from, messageOf(error));
      }
    },
    close: () => closeSync(file),
  };
}
