import { describe, expect, test } from 'vitest';
import { judgeConditions, rangeApplies } from '../../../../src/surfaces/keep-web/conditions.ts';

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
    expect(judgeConditions(new Headers(headers), here)).toBe(verdict);
  });

  test('about dates do not count for content without one', () => {
    const undated = { etag: '"abc"', modified: null };
    expect(judgeConditions(new Headers({ 'If-Modified-Since': LATER }), undated)).toBe('proceed');
    expect(judgeConditions(new Headers({ 'If-Unmodified-Since': BEFORE }), undated)).toBe('proceed');
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
