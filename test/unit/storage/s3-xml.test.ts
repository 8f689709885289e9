import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { deleteRequest, errorsOf, parseErrorCode, parseListing } from '../../../src/storage/s3-xml.ts';

const page = (inside: string) =>
  `<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${inside}</ListBucketResult>`;
const contents = (key: string, modified = '2026-11-21T03:04:05.678Z') =>
  `<Contents><Key>${key}</Key><LastModified>${modified}</LastModified><ETag>&quot;0123&quot;</ETag><Size>0042</Size></Contents>`;

describe('a page of a listing', () => {
  test('gives key, size and the time in whole seconds', () => {
    const { objects, next } = parseListing(page(`<IsTruncated>false</IsTruncated>${contents('abc/0123')}`));
    expect(objects).toEqual([{ key: 'abc/0123', size: 42, modified: Date.UTC(2026, 10, 21, 3, 4, 5), etag: '0123' }]);
    expect(next).toBeNull();
  });

  test('may be empty, and not the last for all that', () => {
    const more = '<IsTruncated>true</IsTruncated><NextContinuationToken>a+b/c==</NextContinuationToken>';
    expect(parseListing(page(more))).toEqual({ objects: [], next: 'a+b/c==' });
  });

  test('keeps digits in keys and tokens as they are: nothing is taken for a number', () => {
    const more = '<IsTruncated>true</IsTruncated><NextContinuationToken>00012</NextContinuationToken>';
    const { objects, next } = parseListing(page(`${more}${contents('0010')}${contents(' 1e3 ')}`));
    expect(objects.map(({ key }) => key)).toEqual(['0010', ' 1e3 ']);
    expect(next).toBe('00012');
  });

  test('holds a thousand entries with entities in each', () => {
    const many = Array.from({ length: 1000 }, (_, i) => contents(`a&amp;b/${i}`)).join('');
    const { objects } = parseListing(page(`<IsTruncated>false</IsTruncated>${many}`));
    expect(objects).toHaveLength(1000);
    expect(objects[999]?.key).toBe('a&b/999');
  });

  test('decodes keys that the server encoded, and no others', () => {
    const encoded = page(`<EncodingType>url</EncodingType>${contents('a%20b%2Bc+d%25')}`);
    expect(parseListing(encoded).objects[0]?.key).toBe('a b+c d%');
    expect(parseListing(page(contents('a%20b+c'))).objects[0]?.key).toBe('a%20b+c');
  });

  test('that is cut short without a token, or is no listing, is an error and not an end', () => {
    expect(() => parseListing(page('<IsTruncated>true</IsTruncated>'))).toThrow();
    expect(() => parseListing('<html><body>maintenance</body></html>')).toThrow();
    expect(() => parseListing('')).toThrow();
  });

  test('has no more elements than a page can have: each takes time and memory', () => {
    expect(() => parseListing(page('<a/>'.repeat(100_000)))).toThrow('too large');
  });
});

describe('an error document', () => {
  test('tells its code, and nothing when it is no error document', () => {
    expect(parseErrorCode('<?xml version="1.0"?><Error><Code>SlowDown</Code><Message></Message></Error>')).toBe(
      'SlowDown',
    );
    expect(parseErrorCode('')).toBe('');
    expect(parseErrorCode('<html>502 Bad Gateway</html>')).toBe('');
  });

  test('is found inside an answer that was 200', () => {
    expect(errorsOf('<CopyObjectResult><ETag>x</ETag></CopyObjectResult>')).toEqual([]);
    expect(errorsOf('<DeleteResult><Deleted><Key>a</Key></Deleted></DeleteResult>')).toEqual([]);
    const failed = '<DeleteResult><Error><Key>a</Key><Code>AccessDenied</Code></Error></DeleteResult>';
    expect(errorsOf(failed)).toEqual(['AccessDenied']);
    expect(errorsOf('\n')).toEqual([]);
  });

  test('is not overlooked in an answer that was cut off', () => {
    const whole = '<?xml version="1.0"?><DeleteResult><Deleted><Key>a</Key></Deleted></DeleteResult>';
    for (let length = 1; length < whole.length; length++) expect(() => errorsOf(whole.slice(0, length))).toThrow();
  });

  test('tells its code without throwing, whatever comes', () => {
    fc.assert(
      fc.property(fc.string(), fc.boolean(), (text, tagged) => {
        expect(typeof parseErrorCode(tagged ? `<Error>${text}` : text)).toBe('string');
      }),
    );
  });
});

test('a request to delete keeps every key apart from the markup', () => {
  const body = deleteRequest(['a<b>&"c\'', 'line\nbreak']);
  expect(body).toContain('<Key>a&#60;b&#62;&#38;&#34;c&#39;</Key>');
  expect(body).toContain('<Key>line&#10;break</Key>');
  expect(body).toContain('<Quiet>true</Quiet>');
});
