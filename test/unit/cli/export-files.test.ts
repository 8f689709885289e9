import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { readRecords } from '../../../src/cli/cluster-copy/export-files.ts';

const directory = mkdtempSync(join(tmpdir(), 'keep-edge-export-'));
afterAll(() => rmSync(directory, { recursive: true }));

async function read(text: string, options?: { skipCut: boolean }) {
  const path = join(directory, 'groups.jsonl');
  writeFileSync(path, text);
  const records: unknown[] = [];
  for await (const record of readRecords(path, options)) records.push(record);
  return records;
}

test('records keep line and paragraph separators in their texts, also where a record is longer than one read', async () => {
  const records = [{ name: 'a\u2028b\u2029c\u0085d' }, { name: `${'é\u2028'.repeat(100_000)}` }, { name: 'last' }];
  const text = records.map((record) => JSON.stringify(record)).join('\n');
  expect(await read(`${text}\n`)).toEqual(records);
  expect(await read(text)).toEqual(records);
  expect(await read('')).toEqual([]);
});

test('a damaged line of a list is an error that names it; in the notes of a killed import it is passed over', async () => {
  const text = '{"from":"a"}\n{"from":"b","t\n{"from":"c"}\n';
  await expect(read(text)).rejects.toThrow('groups.jsonl, line 2: the record is damaged.');
  expect(await read(text, { skipCut: true })).toEqual([{ from: 'a' }, { from: 'c' }]);
});
