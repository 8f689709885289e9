import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ROOT } from '../../../dev/serve.ts';
import { anchorsOf, filesBelow, resolveFrom, textOf, withoutCode } from './repository.ts';

const TEXTS = filesBelow().filter(
  (file) =>
    /\.(ts|md|py|sql|toml|ya?ml)$|^test\/vectors\/|^\.ci\/|^test\/support\/[\w/-]+$/.test(file) &&
    file !== 'package-lock.json',
);
const PAGES = TEXTS.filter((file) => file.endsWith('.md'));
/** Made by builds and runs. */
const MADE = /^(dist|node_modules|\.cache|\.wrangler|\.keep-edge)\//;

test('every link in a page leads to a file, and to a heading where it names one', () => {
  const broken = PAGES.flatMap((page) =>
    [...withoutCode(textOf(page)).matchAll(/\]\(([^)\s]+)\)/g)].flatMap(([, target = '']) => {
      if (/^[a-z]+:/.test(target)) return [];
      const [path = '', anchor] = target.split('#');
      const file = path === '' ? page : resolveFrom(page, path);
      return file !== null && isThere(file, anchor) ? [] : [`${page}: ${target}`];
    }),
  );
  expect(broken).toEqual([]);
});

test('every file or page that code, tests and pages name is there, with its heading', () => {
  const broken = TEXTS.flatMap((file) =>
    [...mentions(file)].flatMap(([path, anchor]) => {
      const places = [path, `src/${path}`, resolveFrom(file, path) ?? path];
      return MADE.test(path) || places.some((place) => isThere(place, anchor))
        ? []
        : [`${file}: ${path}${anchor ?? ''}`];
    }),
  );
  expect(broken).toEqual([]);
});

test('no comment cites a page by a number of a section: pages have headings', () => {
  const cited = TEXTS.flatMap((file) =>
    [...textOf(file).matchAll(/[\w-]+\.md,? (§ ?)?\d+\.\d+/g)].map(([text]) => `${file}: ${text}`),
  );
  expect(cited).toEqual([]);
});

function isThere(file: string, anchor: string | undefined): boolean {
  if (!existsSync(join(ROOT, file))) return false;
  return anchor === undefined || !file.endsWith('.md') || anchorsOf(file).has(anchor);
}

/** Paths with a folder, and pages by their bare name. Imports are the compiler's business, data of tests is left out. */
function* mentions(file: string): Generator<[path: string, anchor: string | undefined]> {
  const pattern = /(?<![\w./@${}<>*-])((?:[\w.-]+\/)+[\w.-]+\.(?:ts|md|sql|toml)|[\w-]+\.md)(?:#([\w-]+))?(?![\w*/])/g;
  for (const [, path = '', anchor] of proseOf(file).matchAll(pattern)) {
    if (!path.startsWith('.')) yield [path, anchor];
  }
}

/** A page without its links, which have a test of their own; comments and messages that lead to a page; else all. */
function proseOf(file: string): string {
  const text = textOf(file);
  if (file.endsWith('.md')) return text.replace(/\[[^\]]*\]\([^)]*\)/g, '');
  if (!file.endsWith('.ts')) return text;
  return [...text.matchAll(/\/\/.*$|\/\*.*?\*\/|docs\/[\w/-]+\.md(#[\w-]+)?/gms)].map(([found]) => found).join('\n');
}
