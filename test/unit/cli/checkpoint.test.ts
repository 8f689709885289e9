import {
  appendFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { takeLock } from '../../../src/cli/lock.ts';
import { checkpointFile, openCheckpoint } from '../../../src/cli/put/checkpoint.ts';

let directory: string;
let path: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'keep-edge-checkpoint-'));
  path = join(directory, 'one.log');
});
afterEach(() => rmSync(directory, { recursive: true }));

const signed = (hash: string, expiry = '7fffffff') => `${hash.repeat(32)}+10+A${'0'.repeat(40)}@${expiry}`;
const file = { path: 'a', source: '/data/a', size: 4, stamp: '4 1 1' };
const part = { file: 0, offset: 0, length: 4 };
const other = { path: 'b', source: '/data/b', size: 6, stamp: '6 1 1' };
const otherPart = { file: 1, offset: 0, length: 6 };

async function recorded() {
  const checkpoint = await openCheckpoint(path, { resume: true });
  checkpoint.addBlock(signed('a'), [
    { file, part },
    { file: other, part: otherPart },
  ]);
  checkpoint.setCollection({ uuid: 'xedge-4zz18-000000000000000' });
  return checkpoint;
}

test('what was recorded is found again, at its place in the block', async () => {
  (await recorded()).close();
  const again = await openCheckpoint(path, { resume: true });
  expect(again.find(file, part)).toEqual({ block: `${'a'.repeat(32)}+10`, offset: 0 });
  expect(again.find(other, otherPart)).toEqual({ block: `${'a'.repeat(32)}+10`, offset: 4 });
  expect(again.locators.get(`${'a'.repeat(32)}+10`)).toBe(signed('a'));
  expect(again.collection).toEqual({ uuid: 'xedge-4zz18-000000000000000' });
  again.close();
});

test('a file that has changed is not found', async () => {
  const checkpoint = await recorded();
  expect(checkpoint.find({ ...file, stamp: '4 2 2' }, part)).toBeNull();
  expect(checkpoint.find({ ...file, source: '/data/c' }, part)).toBeNull();
  expect(checkpoint.find(file, { ...part, offset: 67_108_864 })).toBeNull();
  checkpoint.close();
});

test('a record is in the file before anything else happens, so that SIGKILL loses nothing', async () => {
  const checkpoint = await recorded();
  expect(readFileSync(path, 'utf8').split('\n')).toHaveLength(3);
  checkpoint.close();
});

test('a line that was cut off anywhere costs only itself, also when the upload goes on behind it', {
  timeout: 60_000,
}, async () => {
  (await recorded()).close();
  const whole = readFileSync(path, 'latin1');
  for (let length = 0; length <= whole.length; length += 5) {
    writeFileSync(path, whole);
    truncateSync(path, length);
    const broken = await openCheckpoint(path, { resume: true });
    broken.addBlock(signed('b'), []);
    broken.close();
    const again = await openCheckpoint(path, { resume: true });
    expect(again.locators.has(`${'b'.repeat(32)}+10`)).toBe(true);
    const firstLine = whole.indexOf('\n');
    expect(again.find(file, part) !== null).toBe(length >= firstLine);
    again.close();
  }
});

test('what a power failure leaves, zeros and halves, is passed over', async () => {
  (await recorded()).close();
  appendFileSync(path, `${'\0'.repeat(4096)}\n{"block":"half\n[]\nnull\n"text"\n`);
  const again = await openCheckpoint(path, { resume: true });
  expect(again.find(file, part)).not.toBeNull();
  again.close();
});

test('the latest signature of a block counts', async () => {
  const checkpoint = await recorded();
  checkpoint.addRenewed([signed('a', '7ffffffe')]);
  checkpoint.close();
  const again = await openCheckpoint(path, { resume: true });
  expect(again.locators.get(`${'a'.repeat(32)}+10`)).toBe(signed('a', '7ffffffe'));
  again.close();
});

test('a finished upload keeps its blocks and forgets its collection', async () => {
  const checkpoint = await recorded();
  checkpoint.finish('xedge-4zz18-000000000000000');
  checkpoint.close();
  const again = await openCheckpoint(path, { resume: true });
  expect(again.collection).toBeNull();
  expect(again.completed).toBe('xedge-4zz18-000000000000000');
  expect(again.find(file, part)).not.toBeNull();
  again.close();
});

test('a checkpoint unused for three months is removed, unless it is in use or the one being opened', async () => {
  const longAgo = new Date(Date.now() - 91 * 24 * 3600 * 1000);
  const beside = (name: string, date = longAgo) => {
    const at = join(directory, name);
    writeFileSync(at, readFileSync(path));
    utimesSync(at, date, date);
    return at;
  };
  (await recorded()).close();
  const [old, used, recent] = [beside('old.log'), beside('used.log'), beside('recent.log', new Date())];
  const lock = await takeLock(`${used}.lock`, 'in use');
  utimesSync(path, longAgo, longAgo);
  const again = await openCheckpoint(path, { resume: true });
  expect(again.find(file, part)).not.toBeNull();
  again.close();
  expect([old, `${old}.lock`, used, recent].map((at) => existsSync(at))).toEqual([false, false, true, true]);
  lock.release();
  // It is new again because it was opened.
  (await openCheckpoint(recent, { resume: true })).close();
  expect(existsSync(path)).toBe(true);
});

test('the same upload finds the same file, another one another, and names no path', () => {
  const env = { XDG_CACHE_HOME: '/cache' };
  const one = checkpointFile(['https://a', '/data'], env);
  expect(one).toBe(checkpointFile(['https://a', '/data'], env));
  expect(one).not.toBe(checkpointFile(['https://b', '/data'], env));
  expect(one).toMatch(/^\/cache\/keep-edge\/put\/[0-9a-f]{32}\.log$/);
});
