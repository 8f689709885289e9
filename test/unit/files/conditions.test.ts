import { describe, expect, test } from 'vitest';
import { judgeConditions, rangeApplies } from '../../../src/files/conditions.ts';

const here = { etag: '"abc"', modified: Date.parse('2025-04-28T19:50:49.093Z') };
const SAME = 'Mon, 28 Apr 2025 19:50:49 GMT';
const BEFORE = 'Mon, 28 Apr 2025 19:50:48 GMT';
const LATER = 'Mon, 28 Apr 2025 19:50:50 GMT';

/** docs/protocol/files.md#conditions */
const TABLE: [Record<string, string>, string][] = [
  [{}, 'proceed'],
  [{ 'If-Match': '"abc"' }, 'proceed'],
  [{ 'If-Match': '"x", "abc"' }, 'proceed'],
  [{ 'If-Match': '*' }, 'proceed'],
  [{ 'If-Match': '"x"' }, 'precondition_failed'],
  [{ 'If-Match': 'W/"abc"' }, 'precondition_failed'],
  [{ 'If-Unmodified-Since': SAME }, 'proceed'],
  [{ 'If-Unmodified-Since': LATER }, 'proceed'],
  [{ 'If-Unmodified-Since': BEFORE }, 'precondition_failed'],
  [{ 'If-Unmodified-Since': 'yesterday' }, 'proceed'],
  [{ 'If-Match': '"abc"', 'If-Unmodified-Since': BEFORE }, 'proceed'],
  [{ 'If-None-Match': '"abc"' }, 'not_modified'],
  [{ 'If-None-Match': 'W/"abc"' }, 'not_modified'],
  [{ 'If-None-Match': '"x","abc"' }, 'not_modified'],
  [{ 'If-None-Match': '*' }, 'not_modified'],
  [{ 'If-None-Match': '"x"' }, 'proceed'],
  [{ 'If-None-Match': 'abc' }, 'proceed'],
  [{ 'If-None-Match': '"x"', 'If-Modified-Since': LATER }, 'proceed'],
  [{ 'If-Modified-Since': SAME }, 'not_modified'],
  [{ 'If-Modified-Since': LATER }, 'not_modified'],
  [{ 'If-Modified-Since': BEFORE }, 'proceed'],
  [{ 'If-Modified-Since': 'z' }, 'proceed'],
  [{ 'If-Match': '"x"', 'If-None-Match': '"abc"' }, 'precondition_failed'],
];

describe('conditions', () => {
  test.each(TABLE)('%j', (headers, verdict) => {
    expect(judgeConditions('GET', new Headers(headers), here)).toBe(verdict);
  });

  test('that hold fail a POST, which cannot be answered with "not modified"', () => {
    const judge = (headers: Record<string, string>) => judgeConditions('POST', new Headers(headers), here);
    expect(judge({ 'If-None-Match': '"abc"' })).toBe('precondition_failed');
    expect(judge({ 'If-None-Match': '*' })).toBe('precondition_failed');
    expect(judge({ 'If-None-Match': '"x"' })).toBe('proceed');
    expect(judge({ 'If-Modified-Since': LATER })).toBe('proceed');
  });

  test.each([
    '2094',
    'garbage 9999',
    'Fri, 30 Feb 2094 00:00:00 GMT',
    'Fri, 31 Jun 2094 00:00:00 GMT',
    'Fri, 01 Jan 2094 24:00:00 GMT',
    'Fri, 01 Jan 2094 00:60:00 GMT',
    'Fri, 01 Jan 2094 00:00:00',
    'Fri, 01 Jan 2094 00:00:00 +0000',
    'Fri, 1 Jan 2094 00:00:00 GMT',
    '2094-01-01T00:00:00Z',
    '01/01/2094',
    `${LATER}, ${LATER}`,
    'Jan 1 2094',
  ])('with %s, which is not an HTTP date, are ignored', (text) => {
    expect(judgeConditions('GET', new Headers({ 'If-Modified-Since': text }), here)).toBe('proceed');
    expect(judgeConditions('GET', new Headers({ 'If-Unmodified-Since': text.replace('2094', '1994') }), here)).toBe(
      'proceed',
    );
    expect(rangeApplies(new Headers({ 'If-Range': text }), here)).toBe(false);
  });

  test.each(['Mon, 28 Apr 2025 19:50:49 GMT', 'Monday, 28-Apr-25 19:50:49 GMT', 'Mon Apr 28 19:50:49 2025'])(
    'take the date %s',
    (text) => {
      expect(judgeConditions('GET', new Headers({ 'If-Modified-Since': text }), here)).toBe('not_modified');
      expect(rangeApplies(new Headers({ 'If-Range': text }), here)).toBe(true);
    },
  );

  test('about dates do not count for content without one', () => {
    const undated = { etag: '"abc"', modified: null };
    expect(judgeConditions('GET', new Headers({ 'If-Modified-Since': LATER }), undated)).toBe('proceed');
    expect(judgeConditions('GET', new Headers({ 'If-Unmodified-Since': BEFORE }), undated)).toBe('proceed');
    expect(rangeApplies(new Headers({ 'If-Range': SAME }), undated)).toBe(false);
  });

  test.each([
    [undefined, true],
    ['"abc"', true],
    ['"x"', false],
    ['W/"abc"', false],
    [SAME, true],
    [BEFORE, false],
    [LATER, false],
    ['rubbish', false],
  ])('If-Range %s', (value, applies) => {
    expect(rangeApplies(new Headers(value === undefined ? {} : { 'If-Range': value }), here)).toBe(applies);
  });
});
