import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseJson } from '../../../../src/streams/json/parse.ts';

test.each(['9007199254740993', '-9007199254740993', '[{"a": 12345678901234567890}]', '{"a": 1e999}', '-1E+400'])(
  'a number that would become another is refused with 422: %s',
  (text) => {
    expect(() => parseJson(text)).toThrow(expect.objectContaining({ code: 'invalid_record', status: 422 }));
  },
);

test('every other document is read like JSON.parse does, all keys kept', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const text = JSON.stringify(value);
      expect(JSON.stringify(parseJson(text))).toBe(text);
    }),
  );
  for (const text of ['9007199254740991', '{"__proto__":{"a":9007199254740992},"constructor":"1234567890123456789"}'])
    expect(JSON.stringify(parseJson(text))).toBe(text);
});

test('what is no JSON is a SyntaxError', () => {
  expect(() => parseJson('{"a": 12345678901234567890')).toThrow(SyntaxError);
});

test('a document is read however deep its values are nested, and whatever stands in its texts', () => {
  const depth = 200_000;
  expect(parseJson(`${'['.repeat(depth)}1234567890123456${']'.repeat(depth)}`)).toHaveLength(1);
  const texts = ['"12345678901234567890', '\\', '1e999', '\n"'];
  expect(parseJson(JSON.stringify([...texts, 1234567890123456]))).toEqual([...texts, 1234567890123456]);
});
