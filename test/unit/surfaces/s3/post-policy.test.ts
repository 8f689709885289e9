import { expect, test } from 'vitest';
import { judgePolicy } from '../../../../src/surfaces/s3/post-policy.ts';

const policy = (conditions: unknown[], expiration = '2030-01-01T00:00:00Z') =>
  Buffer.from(JSON.stringify({ expiration, conditions })).toString('base64');
const judge = (text: string, fields: Record<string, string>) =>
  judgePolicy(text, new Map(Object.entries(fields)), Date.parse('2029-01-01T00:00:00Z'));

test('a form may do what its policy says, and nothing more', () => {
  const text = policy([{ bucket: 'b' }, ['starts-with', '$key', 'in/'], ['content-length-range', 1, 10]]);
  expect(judge(text, { bucket: 'b', key: 'in/x', policy: text, 'x-ignore-this': '1' })).toEqual({
    minBytes: 1,
    maxBytes: 10,
  });
  for (const fields of [
    { bucket: 'other', key: 'in/x' },
    { bucket: 'b', key: 'out/x' },
    { bucket: 'b' },
    { bucket: 'b', key: 'in/x', 'x-amz-meta-more': '1' },
  ])
    expect(() => judge(text, fields)).toThrow(/Invalid according to Policy/);
});

test.each([
  ['expired', policy([], '2020-01-01T00:00:00Z'), /expired/],
  ['no JSON', 'eHg=', /no JSON/],
  [
    'without conditions',
    Buffer.from('{"expiration":"2030-01-01T00:00:00Z"}').toString('base64'),
    /needs an expiration/,
  ],
  ['with an unknown condition', policy([['like', '$key', 'x']]), /Invalid condition/],
  ['with a field that is not one', policy([['eq', 'key', 'x']]), /Invalid condition/],
])('a policy that is %s is refused', (_, text, says) => {
  expect(() => judge(text, {})).toThrow(says);
});
