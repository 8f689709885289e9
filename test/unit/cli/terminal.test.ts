import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createApi } from '../../../src/cli/api-client.ts';
import { sayAbove, showProgress } from '../../../src/cli/progress.ts';
import { jsonLine, oneLine, plain, showName } from '../../../src/cli/terminal.ts';
import { startKeepServer } from '../../support/keep-server.ts';

/** What a terminal obeys or hides: C0 but newline, DEL, C1, bidirectional overrides and isolates, line separators, tags. */
const HOSTILE = [
  '\x1b]0;title\x07',
  '\x9b31m',
  '\x7f',
  '\r',
  '\u202e',
  '\u2066',
  '\u200b',
  '\u2028',
  '\u{e0041}',
  '\b',
];
const OBEYED = /[^\P{C}\n]|[\u2028\u2029]/u;

test('names that would confuse a terminal are quoted, each in another way', () => {
  expect(showName('plain ünïcode ⛵')).toBe('plain ünïcode ⛵');
  expect(showName('a\nb\x1b[31m')).toBe('"a\\nb\\u001b[31m"');
  expect(showName('C1 \x9b31m, bidi \u202etxt.exe')).toBe('"C1 \\u009b31m, bidi \\u202etxt.exe"');
  expect(showName('not UTF-8: \udcff')).toBe('"not UTF-8: \\udcff"');
});

test('nothing that a terminal obeys is left in text, names or JSON, and JSON keeps its meaning', () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom(...HOSTILE))), (pieces) => {
      const text = pieces.join('');
      for (const shown of [plain(text), oneLine(text), showName(text), jsonLine({ text })])
        expect(shown).not.toMatch(OBEYED);
      expect(JSON.parse(jsonLine({ text }))).toEqual({ text });
    }),
  );
});

test('messages above the progress bar and without one cannot steer the terminal', () => {
  for (const isTTY of [true, false]) {
    let written = '';
    const write = (text: string) => {
      written += text;
    };
    const screen = { isTTY, columns: 80, write };
    sayAbove(screen, HOSTILE.join(''));
    const standing = { bytesDone: 0, bytesTotal: 1, bytesMoved: 0, note: '' };
    showProgress(() => standing, { quiet: true, screen }).say(HOSTILE.join(''));
    expect(written.replaceAll('\r\x1b[K', '')).not.toMatch(OBEYED);
  }
});

test('what a server answers to a request cannot steer the terminal, nor add lines of its own', async () => {
  for (const body of [
    JSON.stringify({ errors: [`${HOSTILE.join('')}\nkeep-edge: all is stored`] }),
    HOSTILE.join(''),
  ]) {
    await using server = await startKeepServer(() => ({ status: 422, body }));
    const api = createApi({ apiUrl: server.url, token: 't', insecure: false });
    const error = await api('arvados/v1/collections').catch((reason: unknown) => reason);
    api.close();
    expect(String(error)).toContain('422');
    expect(String(error)).not.toMatch(OBEYED);
    expect(String(error)).not.toContain('\n');
  }
});

test('every line that a command writes goes through the module that makes it safe', () => {
  const root = join(import.meta.dirname, '../../../src/cli');
  const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'));
  const past = files.filter(
    (file) => file !== 'terminal.ts' && /\bconsole\./.test(readFileSync(join(root, file), 'utf8')),
  );
  expect(past).toEqual([]);
});
