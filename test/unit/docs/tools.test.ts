import { expect, test } from 'vitest';
import { snippetsOf } from '../../readers/snippets.ts';
import { textOf } from './repository.ts';

test.each(['docs/tools.md', 'docs/operate.md'])(
  'every snippet that %s marks for running is found, with what it must print',
  (file) => {
    const page = textOf(file);
    const snippets = snippetsOf(page);
    expect(snippets).toHaveLength(page.split('<!-- run:').length - 1);
    expect(snippets.every(({ heading, prints, code }) => heading !== '' && prints !== '' && code !== '')).toBe(true);
  },
);
