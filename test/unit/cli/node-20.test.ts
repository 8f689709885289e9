import { join } from 'node:path';
import { build } from 'esbuild';
import { expect, test } from 'vitest';

/** What came with Node 21 or later. esbuild translates syntax for `target`, and adds no functions. */
const LATER =
  /\.groupBy\(|\bPromise\.(withResolvers|try)\b|\bArray\.fromAsync\b|\bIterator\.from\b|\bRegExp\.escape\b/g;

test('the command line calls nothing that Node 20 does not have', async () => {
  const { outputFiles } = await build({
    entryPoints: ['keep-edge', 'block-worker'].map((name) => join(import.meta.dirname, `../../../src/cli/${name}.ts`)),
    outdir: 'out',
    write: false,
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
  });
  expect(outputFiles).toHaveLength(2);
  expect(outputFiles.flatMap(({ text }) => text.match(LATER) ?? [])).toEqual([]);
});
