import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isKeepError } from '../../../src/keep/errors.ts';
import { readPullList, readTrashList } from '../../../src/keep/work-lists.ts';
import { chunksOf, collect } from '../../support/chunks.ts';

const FOO = 'acbd18db4cc2f85cedef654fccc4a4d8+3';
const MOUNT = 'xtest-nyw5e-000000000000001';

type Reader<Item> = (chunks: AsyncIterable<Uint8Array>) => AsyncIterable<Item>;

async function read<Item>(reader: Reader<Item>, body: string | Uint8Array, size?: number): Promise<Item[]> {
  return collect(reader(new Blob(chunksOf(body, size) as Uint8Array<ArrayBuffer>[]).stream()));
}

const pull = (body: string | Uint8Array, size?: number) => read(readPullList, body, size);
const trash = (body: string | Uint8Array, size?: number) => read(readTrashList, body, size);

test('a pull list gives its items in order, with what upstream tolerates', async () => {
  const body = `[
    {"locator": "${FOO}", "servers": ["http://a:1", "http://b:2/"], "mount_uuid": "${MOUNT}"},
    {"locator": "${FOO}+Z", "servers": null, "mount_uuid": null, "unknown": {"deep": [1.5, {"servers": ["no"]}]}},
    {"mount_uuid": "", "locator": "${FOO}"}
  ]`;
  expect(await pull(body)).toEqual([
    { locator: FOO, servers: ['http://a:1', 'http://b:2/'], mountUuid: MOUNT },
    { locator: `${FOO}+Z`, servers: [], mountUuid: '' },
    { locator: FOO, servers: [], mountUuid: '' },
  ]);
});

test('a trash list keeps every digit of block_mtime', async () => {
  const times = ['1755936912345678901', '9223372036854775807', '-9223372036854775808', '0', '-0', '1'];
  const body = `[${times.map((time) => `{"locator":"${FOO}","block_mtime":${time},"mount_uuid":"${MOUNT}"}`)},null,{}]`;
  expect(await trash(body)).toEqual([
    ...times.map((time) => ({ locator: FOO, blockMtime: BigInt(time), mountUuid: MOUNT })),
    { locator: '', blockMtime: 0n, mountUuid: '' },
    { locator: '', blockMtime: 0n, mountUuid: '' },
  ]);
});

test.each(['null', '[]', ' \n[ ]\n', 'null []', '[] trailing garbage', '[]]', 'null{"'])(
  '%j is an empty list',
  async (body) => {
    expect(await pull(body)).toEqual([]);
    expect(await trash(body, 1)).toEqual([]);
  },
);

test('what follows the array is ignored, and the body is let go', async () => {
  let cancelled = false;
  const body = new ReadableStream<Uint8Array>({
    pull: (controller) => controller.enqueue(new TextEncoder().encode(`[{"locator":"${FOO}"}] \u0000 "`)),
    cancel: () => {
      cancelled = true;
    },
  });
  expect(await collect(readTrashList(body))).toHaveLength(1);
  expect(cancelled).toBe(true);
});

describe.each([
  ['', 'wrong after 0 whole entries'],
  ['{}', 'wrong after 0'],
  [`{"a":{"locator":"${FOO}"}}`, 'wrong after 0'],
  ['"list"', 'wrong after 0'],
  ['5', 'wrong after 0'],
  ['true', 'wrong after 0'],
  ['[', 'wrong after 0'],
  ['nul', 'wrong after 0'],
  ['[,]', 'wrong after 0'],
  [`[{"locator":"${FOO}"},]`, 'wrong after 1'],
  [`[{"locator":"${FOO}"}`, 'wrong after 1'],
  [`[{"locator":"${FOO}"} {}]`, 'wrong after 1'],
  [`[{"locator":"${FOO}"`, 'wrong after 0'],
  [`[{'locator':'${FOO}'}]`, 'wrong after 0'],
  [`[{"locator":"${FOO}"}, 5]`, 'entry 2 of the list: must be an object'],
  ['[[]]', 'entry 1 of the list: must be an object'],
  ['["x"]', 'entry 1 of the list: must be an object'],
  ['[{"locator":5}]', 'entry 1 of the list: locator must be a string'],
  [`[{"locator":"${FOO}","mount_uuid":["x"]}]`, 'entry 1 of the list: mount_uuid must be a string'],
])('the body %j', (body, problem) => {
  test.each([
    ['pull', pull],
    ['trash', trash],
  ] as const)('is no %s list', async (_, reader) => {
    for (const size of [1, 65_536]) {
      await expect(reader(body, size)).rejects.toMatchObject({ code: 'invalid_list', status: 400 });
      await expect(reader(body, size)).rejects.toThrowError(problem);
    }
  });
});

test.each(['', FOO.slice(0, 32), `${FOO.slice(0, 32)}+Z`, 'x+3', `${FOO}+`, `${FOO.slice(0, 32)}+-3`])(
  'the locator %j does not keep a list from being read',
  async (locator) => {
    const body = `[{"locator":"${FOO}"},{"locator":${JSON.stringify(locator)}}]`;
    expect(await pull(body)).toMatchObject([{ locator: FOO }, { locator }]);
    expect(await trash(body)).toMatchObject([{ locator: FOO }, { locator }]);
  },
);

test.each(['"http://a"', '[5]', '[null]', '{}', 'true'])('servers must not be %s', async (servers) => {
  await expect(pull(`[{"locator":"${FOO}","servers":${servers}}]`)).rejects.toThrowError(
    'entry 1 of the list: servers must be an array of strings',
  );
});

test.each([
  '1e18',
  '1.0',
  '1.5',
  '9223372036854775808',
  '-9223372036854775809',
  '1'.repeat(400),
  '"1755936912345678901"',
  'true',
  '[]',
])('block_mtime must not be %s', async (time) => {
  await expect(trash(`[{"locator":"${FOO}","block_mtime":${time}}]`)).rejects.toThrowError(
    'entry 1 of the list: block_mtime must be an integer of at most 64 bits',
  );
});

test.each(['01', '+1', '0x1', '1n', '-', '1e', 'NaN'])('%s is no number at all', async (time) => {
  await expect(trash(`[{"locator":"${FOO}","block_mtime":${time}}]`)).rejects.toMatchObject({ code: 'invalid_list' });
});

test('an entry without end is refused instead of being held', async () => {
  async function* endless() {
    yield new TextEncoder().encode(`[{"locator":"${FOO}"},{"x":"`);
    for (;;) yield new Uint8Array(65_536).fill(0x61);
  }
  await expect(collect(readTrashList(endless()))).rejects.toThrowError('entry 2 of the list is too long');
});

test('a body that fails while it arrives fails with its own error', async () => {
  async function* failing() {
    yield new TextEncoder().encode('[');
    throw new TypeError('network lost');
  }
  await expect(collect(readPullList(failing()))).rejects.toThrowError(new TypeError('network lost'));
});

const item = fc.record({
  locator: fc.stringMatching(/^[0-9a-f]{32}\+[0-9]{1,8}$/),
  mtime: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  mount: fc.string({ unit: 'grapheme' }),
  servers: fc.array(fc.string({ unit: 'grapheme' }), { maxLength: 3 }),
});

test('any list reads as it was written, however it is cut into chunks', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(item), fc.integer({ min: 1, max: 300 }), async (items, size) => {
      const body = items.map(
        ({ locator, mtime, mount, servers }) =>
          `{"locator":"${locator}","block_mtime":${mtime},"mount_uuid":${JSON.stringify(mount)},"servers":${JSON.stringify(servers)}}`,
      );
      expect(await trash(`[${body}]`, size)).toEqual(
        items.map(({ locator, mtime, mount }) => ({ locator, blockMtime: mtime, mountUuid: mount })),
      );
      expect(await pull(`[${body}]`, size)).toEqual(
        items.map(({ locator, mount, servers }) => ({ locator, servers, mountUuid: mount })),
      );
    }),
  );
});

test('no body makes reading throw anything but invalid_list', async () => {
  const token = fc.constantFrom(
    '[',
    ']',
    '{',
    '}',
    ',',
    ':',
    '"locator"',
    'null',
    '1',
    '-',
    'e5',
    '"',
    '\\u12',
    '\xff',
    ' ',
    `"${FOO}"`,
  );
  const texts = fc.array(token).map((tokens) => Uint8Array.from(Buffer.from(`[${tokens.join('')}`, 'latin1')));
  await fc.assert(
    fc.asyncProperty(fc.oneof(texts, fc.uint8Array()), async (body) => {
      try {
        await trash(body, 3);
      } catch (error) {
        expect(isKeepError(error, 'invalid_list')).toBe(true);
      }
    }),
    { numRuns: 500 },
  );
});
