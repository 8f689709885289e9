import { readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { LAYERS } from '../../../dev/layers.ts';
import { ROOT } from '../../../dev/serve.ts';
import { filesBelow, sectionOf, textOf } from './repository.ts';

const PAGE = 'docs/architecture.md';
const SOURCES = filesBelow('src').filter((file) => file.endsWith('.ts'));

describe('the architecture page', () => {
  test('its picture has an arrow for every permitted import that does not follow from others', () => {
    const drawn = [...sectionOf(PAGE, 'The picture').matchAll(/^ *([\w-]+) --> ([\w-]+)$/gm)];
    expect(drawn.map(([, from, to]) => `${from} --> ${to}`).sort()).toEqual(arrows().sort());
  });

  test('its map has a line for every folder, and no other', () => {
    const rows = [...sectionOf(PAGE, 'The folders').matchAll(/^\| `([^`]+)` \| \S/gm)].map(([, folder]) => folder);
    const inSrc = [...new Set(SOURCES.map(dirname))].filter((folder) => folder !== 'src');
    const others = readdirSync(ROOT, { withFileTypes: true })
      .filter((entry) => entry.isDirectory() && !/^\.|^(node_modules|dist|src|coverage)$/.test(entry.name))
      .map((entry) => entry.name);
    expect(rows.sort()).toEqual([...inSrc, ...others].sort());
  });

  const lives = [...textOf(PAGE).matchAll(/^## (The life of .+)$/gm)].map(([, heading = '']) => heading);
  test.each(lives)('%s names files in an order in which each is reached from those before it', (life) => {
    const reached = new Set(SOURCES.filter((file) => file.startsWith('src/app/')).flatMap(importsOf));
    const strangers: string[] = [];
    for (const [, file = ''] of sectionOf(PAGE, life).matchAll(/`(src\/[\w./-]+\.ts)`/g)) {
      if (!reached.has(file) && file !== 'src/worker.ts') strangers.push(file);
      for (const next of [file, ...importsOf(file)]) reached.add(next);
    }
    expect(strangers).toEqual([]);
  });

  test('it follows a GET, a PUT, a download, a collection update and a pull-list entry', () => {
    expect(lives).toHaveLength(5);
  });
});

/** The files of src that a file imports. */
function importsOf(file: string): string[] {
  return [...textOf(file).matchAll(/from '(\.[^']+)'/g)].map(([, target = '']) => join(dirname(file), target));
}

/** LAYERS without what two arrows in a row say already, by the names that the picture uses. */
function arrows(): string[] {
  const below = (layer: string): string[] => {
    const listed = LAYERS[layer] ?? [];
    if (!listed.includes('*')) return listed.filter((target) => target in LAYERS);
    return Object.keys(LAYERS).filter((target) => !['app', 'browser', 'cli', 'worker.ts'].includes(target));
  };
  const reaches = (from: string, to: string): boolean => below(from).some((next) => next === to || reaches(next, to));
  const name = (layer: string) => layer.replace(/^surfaces\/|\.ts$/g, '');
  return Object.keys(LAYERS).flatMap((from) =>
    below(from)
      .filter((to) => !below(from).some((other) => other !== to && reaches(other, to)))
      .map((to) => `${name(from)} --> ${name(to)}`),
  );
}
