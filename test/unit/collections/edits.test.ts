import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { planEdits } from '../../../src/collections/edit/apply.ts';
import type { Condition, Edit, EditRequest, Texts } from '../../../src/collections/edit/edits.ts';
import { areIndependent } from '../../../src/collections/edit/independent-groups.ts';
import { isKeepError } from '../../../src/keep/errors.ts';
import { normalise, readTree } from '../../../src/keep/manifest/normalise.ts';
import type { ManifestDirectory, ManifestFile } from '../../../src/keep/manifest/tree.ts';

/** The streaming editor against a plain tree in memory. */

const BLOCKS = ['a', 'b', 'c'].map((letter, i) => ({ locator: `${letter.repeat(32)}+${10 + i}`, size: 10 + i }));
const WRITER = {
  user: { uuid: 'u', isAdmin: true, isActive: true, username: '', fullName: '' },
  tokenUuid: null,
  token: '',
};
const encode = (text: string) => [new TextEncoder().encode(text)];
const request = (edits: Edit[], conditions: Condition[] = []): EditRequest => ({
  writer: WRITER,
  edits,
  conditions,
  lockTokens: [],
});

function textsOf(text: string, sources: Record<string, string> = {}, marked: string[] = []): Texts {
  return {
    portableDataHash: 'pdh',
    current: async () => encode(text),
    etags: async () => new Map(),
    marked: async (directories) => new Set(directories.filter((path) => marked.includes(path))),
    source: async (source) => encode('portableDataHash' in source ? (sources[source.portableDataHash] ?? '') : ''),
  };
}

async function read(chunks: AsyncIterable<Uint8Array>): Promise<string> {
  let text = '';
  for await (const chunk of chunks) text += new TextDecoder().decode(chunk);
  return text;
}

async function edited(
  text: string,
  requests: EditRequest[],
  sources: Record<string, string> = {},
  marked: string[] = [],
) {
  const plan = await planEdits(textsOf(text, sources, marked), requests);
  const result = plan.text === null ? text : await read(plan.text());
  return { judged: plan.judged, text: result, normal: await read(normalise(encode(result))) };
}

type Node = ManifestDirectory | ManifestFile;

/** What edits mean, said plainly: the model. Throws where the editor must refuse. */
function model(
  before: ManifestDirectory,
  edits: Edit[],
  sources: Record<string, ManifestDirectory>,
): ManifestDirectory {
  const clone = (node: Node): Node =>
    node.kind === 'file'
      ? { kind: 'file', segments: [...node.segments] }
      : { kind: 'directory', entries: new Map([...node.entries].map(([name, child]) => [name, clone(child)])) };
  const at = (root: ManifestDirectory, path: string): Node | undefined => {
    let node: Node | undefined = root;
    for (const name of path === '' ? [] : path.split('/'))
      node = node?.kind === 'directory' ? node.entries.get(name) : undefined;
    return node;
  };
  let tree = clone(before) as ManifestDirectory;
  const remove = (path: string) => {
    if (path === '') {
      tree = { kind: 'directory', entries: new Map() };
      return;
    }
    const names = path.split('/');
    const last = names.pop() ?? '';
    const parent = at(tree, names.join('/'));
    if (parent?.kind === 'directory') parent.entries.delete(last);
  };
  const put = (path: string, node: Node) => {
    if (path === '') {
      tree = node as ManifestDirectory;
      return;
    }
    const names = path.split('/');
    const last = names.pop() ?? '';
    let parent = tree;
    for (const name of names) {
      let next = parent.entries.get(name);
      if (next === undefined) {
        next = { kind: 'directory', entries: new Map() };
        parent.entries.set(name, next);
      }
      if (next.kind === 'file') throw new Error('a file is in the way');
      parent = next;
    }
    parent.entries.set(last, node);
  };
  for (const edit of edits) {
    if (edit.kind === 'delete') remove(edit.path);
    if (edit.kind === 'move') remove(edit.from);
  }
  for (const edit of edits) {
    if (edit.kind === 'put') {
      if (edit.path === '') throw new Error('the root');
      const segments = edit.ranges
        .filter(({ length }) => length > 0)
        .map(({ locator, offset, length }) => ({ locator, blockSize: Number(locator.split('+')[1]), offset, length }));
      put(edit.path, { kind: 'file', segments });
    } else if (edit.kind === 'mkdir') {
      const found = at(tree, edit.path);
      if (found?.kind === 'file') throw new Error('a file');
      if (found === undefined) put(edit.path, { kind: 'directory', entries: new Map() });
    } else if ('from' in edit) {
      const root =
        edit.kind === 'graft' ? sources[(edit.source as { portableDataHash: string }).portableDataHash]! : before;
      const node = at(root, edit.from);
      if (node === undefined) throw new Error('no source');
      if (edit.to === '' && node.kind === 'file') throw new Error('the root');
      if (edit.kind === 'move' && (edit.from === '' || edit.to === edit.from || edit.to.startsWith(`${edit.from}/`)))
        throw new Error('into itself');
      put(edit.to, clone(node));
    }
  }
  return tree;
}

const names = fc.constantFrom('x', 'y', 'two words', 'ä');
const path = fc.array(names, { minLength: 1, maxLength: 3 }).map((parts) => parts.join('/'));
const escaped = (name: string) => name.replaceAll(' ', '\\040');

/** Texts with shared blocks, files in several lines, files that span blocks, names with slashes and empty directories. */
const line = fc
  .record({
    directory: fc.array(names, { maxLength: 2 }),
    blocks: fc.array(fc.constantFrom(...BLOCKS), { minLength: 1, maxLength: 4 }),
    files: fc.array(fc.record({ name: path, from: fc.nat(30), length: fc.nat(20) }), { maxLength: 4 }),
    isMarked: fc.boolean(),
  })
  .map(({ directory, blocks, files, isMarked }) => {
    const total = blocks.reduce((sum, { size }) => sum + size, 0);
    const tokens = files.map(({ name, from, length }) => {
      const position = Math.min(from, total);
      return `${position}:${Math.min(length, total - position)}:${escaped(name)}`;
    });
    if (tokens.length === 0 || isMarked) tokens.push('0:0:\\056');
    return `${['.', ...directory.map(escaped)].join('/')} ${blocks.map(({ locator }) => locator).join(' ')} ${tokens.join(' ')}\n`;
  });
const text = fc.array(line, { maxLength: 5 }).map((lines) => lines.join(''));
const range = fc.constantFrom(...BLOCKS).chain(({ locator, size }) =>
  fc.tuple(fc.nat(size - 1), fc.integer({ min: 1, max: size })).map(([offset, length]) => ({
    locator,
    offset,
    length: Math.min(length, size - offset),
  })),
);
const edit: fc.Arbitrary<Edit> = fc.oneof(
  fc.record({ kind: fc.constant('put' as const), path, ranges: fc.array(range, { maxLength: 3 }) }),
  fc.record({ kind: fc.constant('mkdir' as const), path }),
  fc.record({ kind: fc.constant('delete' as const), path }),
  fc.record({ kind: fc.constant('copy' as const), from: path, to: path }),
  fc.record({ kind: fc.constant('move' as const), from: path, to: path }),
  fc.record({
    kind: fc.constant('graft' as const),
    source: fc.constant({ portableDataHash: 'other' }),
    from: fc.oneof(path, fc.constant('')),
    to: path,
  }),
);

const readable = async (source: string): Promise<ManifestDirectory | null> => {
  try {
    return await readTree(encode(source));
  } catch {
    return null;
  }
};
const print = async (tree: ManifestDirectory) => {
  const { printManifest } = await import('../../../src/keep/manifest/print.ts');
  return [...printManifest(tree)].map((chunk) => new TextDecoder().decode(chunk)).join('');
};
/** Without directories that nothing says anything about: the two differ in when an empty one is worth a line. */
const filesOf = (normal: string) => normal.split('\n').filter((one) => one !== '' && !one.endsWith(' 0:0:\\056'));

describe('edits of a manifest', () => {
  test('make what the same edits make of a tree in memory', async () => {
    await fc.assert(
      fc.asyncProperty(text, text, fc.array(edit, { minLength: 1, maxLength: 2 }), async (before, other, edits) => {
        const [tree, source] = await Promise.all([readable(before), readable(other)]);
        fc.pre(tree !== null && source !== null);
        // Targets that lie in each other are refused earlier.
        const targets = edits.flatMap((one) => ('to' in one ? one.to : one.path));
        fc.pre(targets.every((a, i) => targets.every((b, j) => i === j || !(a === b || a.startsWith(`${b}/`)))));
        // A move out of what another edit writes to has no plain meaning.
        const sources = edits.flatMap((one) => (one.kind === 'move' ? one.from : []));
        fc.pre(
          sources.every((a) => targets.every((b) => !(a === b || a.startsWith(`${b}/`) || b.startsWith(`${a}/`)))),
        );
        let expected: string | null = null;
        try {
          expected = await print(model(tree!, edits, { other: source! }));
        } catch {
          // Refused by the model.
        }
        const result = await edited(before, [request(edits)], { other });
        const [judged] = result.judged;
        expect(judged?.ok).toBe(expected !== null);
        if (expected !== null) expect(filesOf(result.normal)).toEqual(filesOf(expected));
      }),
      { numRuns: 3000 },
    );
  });

  test('of independent requests make the same together and one after the other', async () => {
    await fc.assert(
      fc.asyncProperty(text, edit, edit, async (before, first, second) => {
        fc.pre((await readable(before)) !== null);
        const [a, b] = [request([first]), request([second])];
        fc.pre(areIndependent(a, b) && first.kind !== 'graft' && second.kind !== 'graft');
        const together = await edited(before, [a, b]);
        const one = await edited(before, [a]);
        const two = await edited(one.text, [b]);
        expect(filesOf(together.normal)).toEqual(filesOf(two.normal));
      }),
      { numRuns: 1000 },
    );
  });

  const A = `${'a'.repeat(32)}+10`;
  const B = `${'b'.repeat(32)}+11`;

  test('drop blocks that no file uses any more, and keep those that one still does', async () => {
    const before = `. ${A} ${B} 0:10:one 10:11:two 5:10:both\n`;
    expect((await edited(before, [request([{ kind: 'delete', path: 'two' }])])).text).toBe(
      `. ${A} ${B} 0:10:one 5:10:both\n`,
    );
    const both = [request([{ kind: 'delete', path: 'both' }]), request([{ kind: 'delete', path: 'one' }])];
    expect((await edited(before, both)).text).toBe(`. ${B} 0:11:two\n`);
  });

  test('leave a directory that loses its last file', async () => {
    const before = `./d ${A} 0:10:one\n`;
    expect((await edited(before, [request([{ kind: 'delete', path: 'd/one' }])])).normal).toBe(
      './d d41d8cd98f00b204e9800998ecf8427e+0 0:0:\\056\n',
    );
    expect((await edited(before, [request([{ kind: 'move', from: 'd', to: 'e' }])])).normal).toBe(
      `./e ${A} 0:10:one\n`,
    );
  });

  describe('that prune', () => {
    const EMPTY = 'd41d8cd98f00b204e9800998ecf8427e+0 0:0:\\056';
    const prune = (path: string): Edit => ({ kind: 'delete', path, prunes: true });
    const unmark = (path: string): Edit => ({ kind: 'unmark', path });
    const normalOf = async (before: string, edits: Edit[], marked: string[] = []) =>
      (await edited(before, [request(edits)], {}, marked)).normal;

    test('take directories along that are empty then, up to one that a client made', async () => {
      const before = `. ${A} 0:10:other\n./a/b/c ${A} 0:10:one\n`;
      expect(await normalOf(before, [prune('a/b/c/one')])).toBe(`. ${A} 0:10:other\n`);
      expect(await normalOf(before, [prune('a/b/c/one')], ['a'])).toBe(`. ${A} 0:10:other\n./a ${EMPTY}\n`);
      expect(await normalOf(before, [prune('a/b/c/one')], ['a', 'a/b/c'])).toBe(
        `. ${A} 0:10:other\n./a/b/c ${EMPTY}\n`,
      );
    });

    test('leave directories in which something is, and what they hold', async () => {
      const before = `./a ${A} ${B} 0:10:one 10:11:two\n`;
      expect(await normalOf(before, [prune('a/one')], ['a'])).toBe(`./a ${B} 0:11:two\n`);
      expect(await normalOf(before, [prune('missing')])).toBe(before);
      expect(await normalOf(before, [unmark('a')], ['a'])).toBe(before);
    });

    test('give the same in any order when a directory and what is in it go together', async () => {
      const before = `./a ${A} 0:10:one\n./a/e ${EMPTY}\n`;
      for (const edits of [
        [prune('a/one'), unmark('a/e'), unmark('a')],
        [unmark('a'), unmark('a/e'), prune('a/one')],
      ])
        expect(await normalOf(before, edits, ['a', 'a/e'])).toBe('');
    });
  });

  test('copy lines that don’t change byte for byte', async () => {
    const odd = `./odd ${A} ${A} 0:5:x/y 5:0:z 3:9:x/y\n`;
    const put: Edit = { kind: 'put', path: 'new', ranges: [{ locator: B, offset: 0, length: 11 }] };
    expect((await edited(odd, [request([put])])).text).toBe(`${odd}. ${B} 0:11:new\n`);
  });

  test('are refused alone when a condition fails, and say why', async () => {
    const before = `. ${A} 0:10:there\n`;
    const put = (name: string): Edit => ({ kind: 'put', path: name, ranges: [{ locator: B, offset: 0, length: 11 }] });
    const absent = (name: string): Condition => ({
      path: name,
      is: ['absent'],
      otherwise: { code: 'precondition_failed', message: `${name} exists` },
    });
    const result = await edited(before, [
      request([put('there')], [absent('there')]),
      request([put('new')], [absent('new')]),
    ]);
    expect(result.judged.map((one) => one.ok)).toEqual([false, true]);
    const [first] = result.judged;
    expect(first?.ok === false && isKeepError(first.error, 'precondition_failed')).toBe(true);
    expect(result.text).toBe(`${before}. ${B} 0:11:new\n`);
  });
});

test('the work for many edits goes with their number, not with its square: 60,000 deletions, and as many copies of directories', async () => {
  const names = Array.from({ length: 60_000 }, (_, i) => `d${i}`);
  const text = names.map((name) => `./${name} d41d8cd98f00b204e9800998ecf8427e+0 0:0:f\n`).join('');
  const write = async (edits: Edit[]) => {
    const plan = await planEdits(textsOf(text, { source: text }), [request(edits)]);
    return plan.text === null ? text : read(plan.text());
  };
  const deleted = await write(names.map((name) => ({ kind: 'delete', path: `${name}/f` })));
  expect(deleted.split('\n')).toHaveLength(names.length + 1);
  const grafted = await write(
    names.map((from) => ({ kind: 'graft', source: { portableDataHash: 'source' }, from, to: `copy/${from}` })),
  );
  expect(grafted.split('\n')).toHaveLength(2 * names.length + 1);
});

test('a line of many blocks goes to many directories in small chunks, and is refused at once where that makes too long a text', async () => {
  const text = `. ${`${BLOCKS[0]!.locator} `.repeat(5000)}0:50000:x\n`;
  const plan = async (directories: number) => {
    const edits = Array.from({ length: directories }, (_, i): Edit => ({ kind: 'copy', from: 'x', to: `d${i}/x` }));
    return (await planEdits(textsOf(text), [request(edits)])).text!();
  };
  const sizes: number[] = [];
  for await (const chunk of await plan(100)) sizes.push(chunk.byteLength);
  expect(sizes.reduce((sum, size) => sum + size, 0)).toBeGreaterThan(100 * 5000 * 35);
  expect(Math.max(...sizes)).toBeLessThan(2 ** 18);
  const longer = await plan(1000);
  // Its first chunk.
  await expect(longer[Symbol.asyncIterator]().next()).rejects.toMatchObject({ code: 'too_large' });
});

test('edits below a file that goes, and paths of very many levels, cost no more than their number', async () => {
  const text = `. ${BLOCKS[0]!.locator} 0:10:x 0:10:y\n`;
  const below: Edit[] = Array.from({ length: 60_000 }, (_, i) => ({ kind: 'copy', from: 'y', to: `x/${i}` }));
  // With the square of their number it took minutes.
  const plan = await planEdits(textsOf(text), [request([...below, { kind: 'delete', path: 'x' }])]);
  expect(plan.judged[0]!.ok).toBe(true);
  const refused = await planEdits(textsOf(text), [request(below)]);
  expect(refused.judged[0]).toMatchObject({ ok: false, error: { message: 'x is a file, not a directory' } });

  const deep = (count: number) =>
    request(Array.from({ length: count }, (_, i) => ({ kind: 'mkdir', path: `${i}/${'d/'.repeat(1900)}e` })));
  expect((await edited(text, [deep(50)])).judged[0]!.ok).toBe(true);
  // Half a megabyte of paths took a gigabyte.
  await expect(planEdits(textsOf(text), [deep(100)])).rejects.toThrow('100000 directories in all');
  expect(areIndependent(deep(1), request([{ kind: 'mkdir', path: 'z' }]))).toBe(false);
});

test('a target of very many levels is refused, and a deep source costs its length alone', async () => {
  const deep = `${'d/'.repeat(100_000)}e`;
  const refused = await edited('', [request([{ kind: 'mkdir', path: deep }])]);
  expect(refused.judged[0]).toMatchObject({ ok: false, error: { code: 'bad_request' } });
  const source = `./${deep} ${BLOCKS[0]!.locator}${Array.from({ length: 1000 }, (_, i) => ` 0:1:${i}`).join('')}\n`;
  const graft: Edit = { kind: 'graft', source: { portableDataHash: 'other' }, from: '', to: 'copy' };
  const copied = await planEdits(textsOf('', { other: source }), [request([graft])]);
  expect(await read(copied.text!())).toContain(`./copy/${deep} `);
});
