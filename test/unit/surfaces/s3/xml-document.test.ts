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

  test('has as many elements as 10,000 parts need, and not so many that all others would wait for the parser', () => {
    const part = `<Part><PartNumber>1</PartNumber><ETag>"${'0'.repeat(32)}"</ETag><ChecksumCRC32>AAAAAA==</ChecksumCRC32></Part>`;
    expect(parse(`<Delete>${part.repeat(10_000)}</Delete>`)).toBeTypeOf('object');
    // 38 s and half a gigabyte.
    const names = Array.from({ length: 900_000 }, (_, i) => `<a${i.toString(36)}/>`);
    expect(() => parse(`<Delete>${names.join('')}</Delete>`)).toThrow(refused);
    expect(() => parse(`<Delete a="${'b'.repeat(5000)}"/>`)).toThrow(refused);
  });

  test('has a bounded depth, in which only elements count', () => {
    expect(() => parse(`<Delete>${'<a>'.repeat(9)}${'</a>'.repeat(9)}</Delete>`)).toThrow(refused);
    expect(() => parse(`<Delete>${'<a b="/>">'.repeat(9)}${'</a>'.repeat(9)}</Delete>`)).toThrow(refused);
    expect(keyOf(`<![CDATA[${'<a>'.repeat(9)}]]>`)).toBe('<a>'.repeat(9));
    expect(keyOf(`a<!-- ${'<b>'.repeat(9)} -->`)).toBe('a');
    expect(parse(`<Delete>${'<a b=">"/>'.repeat(9)}</Delete>`)).toBeTypeOf('object');
  });
});
