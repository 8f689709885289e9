import { expect, test } from 'vitest';
import { parseAddress } from '../../../src/cli/collection.ts';
import type { Command } from '../../../src/cli/command.ts';
import { commandHelp, parseCommandLine } from '../../../src/cli/command-line.ts';
import { COMMANDS, findCommand } from '../../../src/cli/commands.ts';
import { parseGlob } from '../../../src/cli/glob.ts';
import { showProgress } from '../../../src/cli/progress.ts';
import { createSendLimit } from '../../../src/cli/put/send-limit.ts';
import { parseSettings, readSettings } from '../../../src/cli/settings.ts';
import { filesNote, formatBytes, formatSeconds } from '../../../src/keep/human-format.ts';

test('the host may carry a scheme and a port, and is https otherwise', () => {
  const urlOf = (host: string) =>
    readSettings({ HOME: '/nowhere', ARVADOS_API_HOST: host, ARVADOS_API_TOKEN: 't' }).apiUrl;
  expect(urlOf('xedge.example.org')).toBe('https://xedge.example.org');
  expect(urlOf('xedge.example.org:8443')).toBe('https://xedge.example.org:8443');
  expect(urlOf('http://127.0.0.1:8787/')).toBe('http://127.0.0.1:8787');
  expect(urlOf('host.example.org/cluster/')).toBe('https://host.example.org/cluster');
  for (const bad of ['http://user:secret@host', 'http://host?query', 'ftp://host', 'a b'])
    expect(() => urlOf(bad)).toThrow('ARVADOS_API_HOST');
  expect(() => urlOf('')).toThrow('settings.conf');
});

test('settings.conf has KEY=value lines, comments and quotes', () => {
  expect(parseSettings('# comment\n\nA=1\n B = two words \nC="quoted"\n#D=4\nE=a=b\n')).toEqual({
    A: '1',
    B: 'two words',
    C: 'quoted',
    E: 'a=b',
  });
});

test('services by address replace discovery', () => {
  const env = {
    HOME: '/',
    ARVADOS_API_HOST: 'h',
    ARVADOS_API_TOKEN: 't',
    ARVADOS_KEEP_SERVICES: ' http://a:1  https://b/ https://c/keep/ ',
  };
  expect(readSettings(env).keepServices).toEqual(['http://a:1', 'https://b', 'https://c/keep']);
});

test.each([
  ['*.tmp', ['a.tmp', 'x/y/a.tmp', '.tmp'], ['a.tmpx', 'tmp', 'a.tmp/x']],
  ['cache', ['cache', 'a/cache'], ['caches', 'a/cache/x']],
  ['a/*', ['a/b'], ['a', 'a/b/c', 'x/a/b']],
  ['a/**', ['a/b', 'a/b/c'], ['a', 'b/a/c']],
  ['**/x', ['x', 'a/x', 'a/b/x'], ['ax']],
  ['file?.(1)', ['file1.(1)'], ['file.(1)', 'file12.(1)']],
])('the pattern %s', (pattern, matching, others) => {
  const glob = parseGlob(pattern);
  expect(matching.filter((path) => !glob(path))).toEqual([]);
  expect(others.filter(glob)).toEqual([]);
});

test('a collection is named by UUID or portable data hash, with a path or without', () => {
  const uuid = 'xedge-4zz18-abcdefghijklmno';
  const hash = `${'0'.repeat(32)}+12`;
  expect(parseAddress(uuid)).toEqual({ id: uuid, path: '' });
  expect(parseAddress(`${uuid}/a/b c/`)).toEqual({ id: uuid, path: 'a/b c' });
  expect(parseAddress(`keep:${hash}/x`)).toEqual({ id: hash, path: 'x' });
  expect(() => parseAddress('xedge-j7d0g-abcdefghijklmno')).toThrow('not a collection');
});

test.each(COMMANDS.map((command) => [command.name, command] as const))(
  '%s has a help that names its options',
  (_, command) => {
    const help = commandHelp(command);
    for (const option of Object.keys(command.options)) expect(help).toContain(`--${option}`);
    for (const line of help.split('\n')) expect(line.length).toBeLessThanOrEqual(125);
  },
);

test('what makes no sense on a command line ends with exit code 2 and says where to look', () => {
  const put = commandOf('put');
  expect(() => parseCommandLine(put, ['--nonsense'])).toThrow('keep-edge put --help');
  expect(() => parseCommandLine(put, ['a', '--jobs', 'many']).count('jobs')).toThrow('--jobs');
  expect(parseCommandLine(put, ['-j', '8', 'a', '--', '-b'])).toMatchObject({ arguments: ['a', '-b'] });
  expect(parseCommandLine(put, ['x', '--exclude', 'a', '--exclude', 'b']).all('exclude')).toEqual(['a', 'b']);
});

test('bytes and times are written for people', () => {
  expect([0, 999, 1024, 67_108_864, 3_221_225_472].map(formatBytes)).toEqual([
    '0 B',
    '999 B',
    '1.0 KiB',
    '64 MiB',
    '3.0 GiB',
  ]);
  expect([0.31, 12, 250, 7500, 90_000].map(formatSeconds)).toEqual([
    '0.3 s',
    '12 s',
    '4 min 10 s',
    '2 h 5 min',
    '1 d 1 h',
  ]);
});

test('sending settles where more at once is no faster, and halves when it fails', async () => {
  let now = 0;
  const limit = createSendLimit(16, () => now);
  /** A network of 4 blocks a second in total. */
  for (let round = 0; round < 100; round++) {
    await limit.enter();
    now += 250;
    limit.leave(1_000_000);
  }
  expect(limit.allowed).toBeLessThan(16);
  const before = limit.allowed;
  await limit.enter();
  limit.leave(null);
  expect(limit.allowed).toBe(Math.max(1, Math.floor(before / 2)));
});

test('a terminal gets a bar with rate and time left, a pipe gets plain lines', async () => {
  for (const isTTY of [true, false]) {
    let text = '';
    const write = (more: string) => {
      text += more;
    };
    const screen = { write, isTTY, columns: 100 };
    const progress = showProgress(() => ({ bytesDone: 50, bytesTotal: 100, bytesMoved: 50, note: '1 block sent' }), {
      screen,
    });
    progress.say('hello');
    if (isTTY) await new Promise((resolve) => setTimeout(resolve, 300));
    progress.stop();
    expect(text).toContain('hello\n');
    expect(text.includes('\x1b')).toBe(isTTY);
    if (isTTY) expect(text).toMatch(/50%.*50 B of 100 B.*1 block sent/);
  }
});

test('progress counts files when there are many, and not when there is one', () => {
  expect(filesNote(0, 1)).toBe('');
  expect(filesNote(1_200, 56_789)).toBe('1,200 of 56,789 files, ');
});

test.each([
  ['token revoke UUID --user ada', '--user goes with: keep-edge token make, keep-edge token list.'],
  ['token make --name x', '--name goes with: keep-edge token make --upload-only.'],
  ['token list --upload-only', '--upload-only goes with: keep-edge token make.'],
  ['token make --read x --read-only', '--read and --read-only do not go together.'],
  [
    'group add people ada --json',
    '--json goes with: keep-edge group list, keep-edge group make, keep-edge group members.',
  ],
  ['share UUID --with bob --expires 1d', '--expires goes with: keep-edge share without --with, --list, --revoke.'],
  ['share UUID --list --revoke x', '--list and --revoke do not go together.'],
  ['get x - --verify', '--verify and - do not go together.'],
  ['get x - --force', '--force goes with: keep-edge get without --verify, -.'],
  ['put x --update y --name z', '--name goes with: keep-edge put without --update.'],
  ['usage --quota 5G', '--quota goes with: keep-edge usage UUID.'],
  ['usage UUID --limit 5', '--limit goes with: keep-edge usage without UUID, --history.'],
  ['balance --run --cancel', '--run and --cancel do not go together.'],
  ['token', 'Write: keep-edge token make | list | revoke UUID'],
  ['token revoke', 'Write: keep-edge token'],
  ['token list x', 'Write: keep-edge token'],
  ['user no-such-verb', 'Write: keep-edge user'],
  ['usage x y', 'Write: keep-edge usage [UUID]'],
  ['search --status whale', 'Write: keep-edge search'],
  ['services x', 'Write: keep-edge services'],
  ['balance x', 'Write: keep-edge balance'],
  ['cp x', 'Write: keep-edge cp'],
])('keep-edge %s would ignore something, and is refused with exit code 2', (line, message) => {
  const [name = '', ...args] = line.split(' ');
  const command = commandOf(name);
  expect(() => parseCommandLine(command, args)).toThrow(expect.objectContaining({ exitCode: 2 }));
  expect(() => parseCommandLine(command, args)).toThrow(message);
});

test('an empty argument is refused, as an unset variable leaves it', () => {
  expect(() => parseCommandLine(commandOf('rm'), [''])).toThrow('empty');
});

test('the verb may stand after options, and does not count as an argument', () => {
  const line = parseCommandLine(commandOf('token'), ['--user', 'ada', 'list']);
  expect(line).toMatchObject({ form: 'list', arguments: [] });
  expect(line.text('user')).toBe('ada');
});

test('the help names the forms that an option goes with', () => {
  const token = commandHelp(commandOf('token'));
  expect(token).toContain('make, list: of this user (admins)');
  expect(token).toContain('make --upload-only: name of that account');
  expect(commandHelp(commandOf('put'))).toContain('not with --update: name of the new collection');
});

test.each(COMMANDS.map((command) => [command.name, command] as const))(
  'every example in the help of %s is a line that it takes',
  (_, { help }) => {
    for (const [, name = '', rest = ''] of help.matchAll(/^ +(?:.*[|"'(=] ?)?keep-edge ([a-z0-9-]+)(.*)$/gm)) {
      const [line = ''] = rest.split(/[|)>]|&&/);
      const args = line.match(/"[^"]*"|'[^']*'|[^\s"']+/g) ?? [];
      expect(() => parseCommandLine(commandOf(name), args), `${name} ${rest}`).not.toThrow();
    }
  },
);

function commandOf(name: string): Command {
  const command = findCommand(name);
  if (command === undefined) throw new Error(`no command ${name}`);
  return command;
}
