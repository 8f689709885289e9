import { describe, expect, test } from 'vitest';
import { childText, parseXml } from '../../../../src/surfaces/s3/xml-document.ts';

const parse = (text: string) => parseXml(new TextEncoder().encode(text), 'Delete');
const keyOf = (inner: string) => childText(parse(`<Delete><Key>${inner}</Key></Delete>`), 'Key');
const refused = expect.objectContaining({ s3: 'MalformedXML' });

describe('an XML body of S3', () => {
  // Each of these took minutes: the time in which a test must end is what this one is about.
  test.each(['<', '< ', '<!', '<?', '<!--', '<![CDATA[', '<a b="', '</'])(
    'of a megabyte of %j is gone through once, and refused',
    (text) => {
      expect(() => parse(`<Delete><Object><Key>${text.repeat(2 ** 20 / text.length)}`)).toThrow(refused);
    },
  );

  test('has a bounded depth, in which only elements count', () => {
    expect(() => parse(`<Delete>${'<a>'.repeat(9)}${'</a>'.repeat(9)}</Delete>`)).toThrow(refused);
    expect(() => parse(`<Delete>${'<a b="/>">'.repeat(9)}${'</a>'.repeat(9)}</Delete>`)).toThrow(refused);
    expect(keyOf(`<![CDATA[${'<a>'.repeat(9)}]]>`)).toBe('<a>'.repeat(9));
    expect(keyOf(`a<!-- ${'<b>'.repeat(9)} -->`)).toBe('a');
    expect(parse(`<Delete>${'<a b=">"/>'.repeat(9)}</Delete>`)).toBeTypeOf('object');
  });
});
