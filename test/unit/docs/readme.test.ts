import { expect, test } from 'vitest';
import { filesBelow, sectionOf, textOf } from './repository.ts';

test('the README links the architecture page before any other', () => {
  expect(/\]\(([^)]+)\)/.exec(textOf('README.md'))?.[1]).toBe('docs/architecture.md');
});

test('the README ends with every page', () => {
  expect(textOf('README.md').split('\n## ').at(-1)).toContain('All pages');
  const listed = [...sectionOf('README.md', 'All pages').matchAll(/\]\(([^)]+)\)/g)].map(([, page]) => page);
  const pages = filesBelow('docs').filter((file) => file.endsWith('.md'));
  expect(pages.filter((page) => !listed.includes(page))).toEqual([]);
});
