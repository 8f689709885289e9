import { describe, expect, test } from 'vitest';
import { filesBelow, textOf } from './repository.ts';

/** Comments, messages and pages are in plain technical English: these have a plainer way to be said. */
const PHRASES = [
  'nobody',
  'somebody',
  'whoever',
  "anybody's",
  'lest',
  'afar',
  'to be had',
  'can be had',
  'the house',
  'for the sake of',
  'is not our business',
  "'s business",
  'what is wanted',
  'far side',
  'comes of it',
  'by heart',
  'lies in wait',
  'at leisure',
];

/** Private words for things that have a name in the field. */
const NAMES: [what: string, pattern: RegExp][] = [
  ['piece: say chunk', /\b\w*[pP]iece[A-Z]\w*|\b\w+Pieces?\b|\bpieces?\b(?=\s*[:=(,)])/],
  ['stretch: say range', /\b\w*[sS]tretch\w*/],
  ['far: say remote', /\bfar[A-Z]\w*|\b\w+Far[A-Z]\w*/],
  ['needs: say dependencies', /\b\w+Needs\b|\bNeeds\b(?=\s*[{=])/],
  ['a code of a document that is not here', /\((?:[TBNW]\d{1,2}(?:, | to )?)+\)/],
];
const NAMED_AFTER = /(^|[-/])(piece|stretch|far|needs|memory|parts)s?(-|\.ts$)(?!parts)/;

/** Names of people and paths in tests, not words about them. */
const ALLOWED = /'(somebody|nobody)'|\/users\/(somebody|nobody)\//g;

const SOURCES = filesBelow('src').filter((file) => file.endsWith('.ts'));
const ALL = filesBelow().filter(
  (file) => /\.(ts|md)$/.test(file) && file !== 'test/unit/docs/wording.test.ts' && !file.startsWith('.github/'),
);

describe('plain words', () => {
  const phrases = new RegExp(`(?<!\\w)(${PHRASES.join('|')})(?!\\w)`, 'gi');
  test('no file has a phrase of the list', () => {
    const found = ALL.flatMap((file) =>
      [...textOf(file).replace(ALLOWED, '').matchAll(phrases)].map(([phrase]) => `${file}: ${phrase}`),
    );
    expect(found).toEqual([]);
  });

  test.each(NAMES)('src has no %s', (_what, pattern) => {
    const found = SOURCES.flatMap((file) => {
      const [hit] = pattern.exec(textOf(file)) ?? [];
      return hit === undefined ? [] : [`${file}: ${hit}`];
    });
    expect(found).toEqual([]);
  });

  test('no file of src is named after one of them, but for the parts of a body', () => {
    expect(SOURCES.filter((file) => NAMED_AFTER.test(file) && !file.endsWith('/file-parts.ts'))).toEqual([]);
  });
});
