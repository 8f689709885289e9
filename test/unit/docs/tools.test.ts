import { expect, test } from 'vitest';
import { snippetsOf } from '../../readers/snippets.ts';
import { textOf } from './repository.ts';

test('every snippet that the tools page marks for running is found, with what it must print', () => {
  const page = textOf('docs/tools.md');
  const snippets = snippetsOf(page);
  expect(snippets).toHaveLength(page.split('<!-- run:').length - 1);
  expect(snippets.every(({ heading, prints, code }) => heading !== '' && prints !== '' && code !== '')).toBe(true);
});
