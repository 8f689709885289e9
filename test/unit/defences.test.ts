import { describe, expect, test } from 'vitest';
import { DEFENCES } from '../defences/defences.ts';
import { textOf } from './docs/repository.ts';

/** `npm run test:defences` takes minutes; a stale entry of its list is noticed here at once. */
describe('the list of defences', () => {
  test('quotes code that occurs exactly once in its file', () => {
    const stale = DEFENCES.filter(({ file, remove }) => textOf(file).split(remove).length !== 2);
    expect(stale.map(({ file, remove }) => `${file}: ${remove}`)).toEqual([]);
  });

  test('names tests that exist', () => {
    const targets = ['api', 'http', 'manifests', 'words-of-keep'].map((name) => textOf(`test/fuzz/targets/${name}.ts`));
    const missing = DEFENCES.filter(
      ({ test: file, title = '' }) => ![textOf(file), ...targets].some((text) => new RegExp(title).test(text)),
    );
    expect(missing.map(({ test: file, title }) => `${file}: ${title}`)).toEqual([]);
  });
});
