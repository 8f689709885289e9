import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { matchQuery, termsOf, wordFilters } from '../../../src/search/terms.ts';

describe('what the search index is asked', () => {
  test.each([
    [[['any', 'ilike', '%whale%']], ['whale']],
    [[['any', 'ilike', 'whale%']], []],
    [[['name', 'like', 'run%of_day\\_7%']], ['run', 'day_7']],
    [[['name', '=', 'ab']], []],
    [[['name', '!=', 'whale']], []],
    [[['properties.kind', '=', 'whale']], ['kind', 'whale']],
    [[['properties.kind', 'ilike', '%wha%le%']], ['kind', 'wha']],
    [[['properties.kind', '=', 'a"bc']], ['kind']],
    [[['properties', 'exists', 'kind']], ['kind']],
    [[['properties.kind', 'exists', false]], []],
    [[['name', '=', 'a\0bcd']], []],
    ['nonsense', []],
    [[null, 3, ['name']], []],
  ])('of the filters %j are the terms %j', (filters, terms) => {
    expect(termsOf(filters)).toEqual(terms);
  });

  test('is a query of trigrams in quotes, whatever the text', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 3, maxLength: 100, unit: 'grapheme' }), (text) => {
        expect(matchQuery([text])).toMatch(/^("(?:[^"]|"")+" ?)+$/u);
      }),
    );
    expect(matchQuery(['a"bc'])).toBe('"a""b" """bc"');
  });

  test('is one filter for each word, with signs of patterns taken as they are', () => {
    expect(wordFilters('  whale "in the sea" 50%_\\ ')).toEqual([
      ['any', 'ilike', '%whale%'],
      ['any', 'ilike', '%in the sea%'],
      ['any', 'ilike', '%50\\%\\_\\\\%'],
    ]);
  });
});
