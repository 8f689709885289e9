import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { runBlockJob, stampOf } from '../../../src/cli/block-jobs.ts';

let directory: string;
let file: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'keep-edge-jobs-'));
  file = join(directory, 'file');
  writeFileSync(file, '0123456789');
});
afterEach(() => rmSync(directory, { recursive: true }));

const md5 = (text: string) => createHash('md5').update(text).digest('hex');
const read = (stamp: string | null, offset = 0, length = 10) =>
  runBlockJob({ verb: 'read', buffer: new ArrayBuffer(16), chunks: [{ file, offset, length, stamp }] });

test('chunks are read one behind the other and hashed together', () => {
  const chunk = (offset: number, length: number) => ({ file, offset, length, stamp: null });
  const result = runBlockJob({ verb: 'read', buffer: new ArrayBuffer(16), chunks: [chunk(5, 5), chunk(0, 2)] });
  expect(result).toMatchObject({ hash: md5('5678901'), problems: [] });
  expect(Buffer.from(result.buffer, 0, 7).toString()).toBe('5678901');
});

test('a file that changes after it was looked at does not count', () => {
  const stamp = stampOf(statSync(file));
  expect(read(stamp)).toMatchObject({ hash: md5('0123456789') });
  utimesSync(file, 1, 1);
  expect(read(stamp)).toMatchObject({ hash: null, problems: [{ chunk: 0, what: 'it changed while it was read' }] });
});

test('a file that has grown, shrunk or gone is a problem that says so', () => {
  const stamp = stampOf(statSync(file));
  appendFileSync(file, 'more');
  expect(read(stamp)).toMatchObject({ problems: [{ what: 'it changed while it was read' }] });
  expect(read(stamp, 10, 10)).toMatchObject({ problems: [{ what: 'it became shorter while it was read' }] });
  rmSync(file);
  expect(read(stamp)).toMatchObject({ problems: [{ what: 'it is not there any more' }] });
});

test('a file that has become a pipe is a problem, and not waited for', () => {
  const stamp = stampOf(statSync(file));
  rmSync(file);
  execFileSync('mkfifo', [file]);
  expect(read(stamp)).toMatchObject({ hash: null, problems: [{ what: 'it is a pipe now' }] });
});

test('nothing is written unless the hash is right', () => {
  const buffer = new TextEncoder().encode('ABCD').buffer;
  const chunks = [{ file, from: 1, length: 2, offset: 4, whole: false }];
  expect(runBlockJob({ verb: 'write', buffer, size: 4, hash: md5('no'), chunks })).toMatchObject({ intact: false });
  expect(readFileSync(file, 'utf8')).toBe('0123456789');
  expect(runBlockJob({ verb: 'write', buffer, size: 4, hash: md5('ABCD'), chunks })).toMatchObject({ intact: true });
  expect(readFileSync(file, 'utf8')).toBe('0123BC6789');
});
