import { existsSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { fsPath, makeDirectories } from '../../../src/cli/fs-path.ts';

describe('a directory is made', () => {
  let root: string;
  beforeAll(() => {
    root = mkdtempSync(join(tmpdir(), 'keep-edge-fs-path-'));
  });
  afterAll(() => rmSync(root, { recursive: true }));

  test('with those above it, in the given mode, and once more without an error', () => {
    const path = join(root, 'a/b/c');
    for (const _ of [1, 2]) makeDirectories(path, 0o700);
    for (const made of ['a', 'a/b', 'a/b/c']) expect(statSync(join(root, made)).mode & 0o777).toBe(0o700);
  });

  test('with names that are not UTF-8', () => {
    const path = join(root, 'x\udcff/y');
    makeDirectories(path);
    expect(existsSync(fsPath(path))).toBe(true);
  });

  test('not in the place of a file, below one, or through a link to nothing', () => {
    writeFileSync(join(root, 'file'), '');
    symlinkSync(join(root, 'nothing'), join(root, 'link'));
    for (const path of ['file', 'file/x', 'file/x/y', 'link', 'link/x'])
      expect(() => makeDirectories(join(root, path)), path).toThrow(/EEXIST|ENOTDIR/);
  });

  // Node's mkdir with `recursive` runs for ever there.
  test.runIf(existsSync('/proc/self'))('not where none can be, which is said', () => {
    for (const path of ['/proc/nowhere', '/proc/nowhere/deeper/x'])
      expect(() => makeDirectories(path)).toThrow('/proc/nowhere cannot be made: /proc takes no directories');
  });
});
