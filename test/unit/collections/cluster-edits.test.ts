import { expect, test } from 'vitest';
import { clusterUpdate } from '../../../src/collections/edit/cluster-edits.ts';

const FOO = 'acbd18db4cc2f85cedef654fccc4a4d8+3+A0123456789012345678901234567890123456789@ffffffff';

test('edits become one replace_files update, new files and directories under names that no client chose', () => {
  const { replace_files, manifest_text } = clusterUpdate([
    { kind: 'put', path: 'a dir/manifest_text', ranges: [{ locator: FOO, offset: 0, length: 3 }] },
    { kind: 'put', path: 'empty', ranges: [] },
    { kind: 'mkdir', path: 'made' },
    { kind: 'move', from: 'x', to: 'y' },
    { kind: 'copy', from: 'p', to: 'q' },
    { kind: 'copy', from: 'tree', to: 'bare', shallow: true },
    { kind: 'delete', path: 'gone' },
    { kind: 'graft', source: { portableDataHash: 'd41d8cd98f00b204e9800998ecf8427e+0' }, from: 'f', to: 'g' },
  ]);
  expect(replace_files).toEqual({
    '/a dir/manifest_text': 'manifest_text/f0',
    '/empty': 'manifest_text/f1',
    '/made': 'manifest_text/d2',
    '/x': '',
    '/y': 'current/x',
    '/q': 'current/p',
    '/bare': 'manifest_text/d5',
    '/gone': '',
    '/g': 'd41d8cd98f00b204e9800998ecf8427e+0/f',
  });
  expect(manifest_text).toBe(
    `. ${FOO} 0:3:f0\n. d41d8cd98f00b204e9800998ecf8427e+0 0:0:f1\n` +
      './d2 d41d8cd98f00b204e9800998ecf8427e+0 0:0:\\056\n./d5 d41d8cd98f00b204e9800998ecf8427e+0 0:0:\\056\n',
  );
});

test('what takes the place of something that is deleted along with it stays', () => {
  const { replace_files } = clusterUpdate([
    { kind: 'copy', from: 'a', to: 'b' },
    { kind: 'delete', path: 'b' },
  ]);
  expect(replace_files).toEqual({ '/b': 'current/a' });
});
