import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { contentDisposition } from '../../../src/files/content-disposition.ts';
import { contentType } from '../../../src/files/content-type.ts';
import { hostileName } from '../../support/hostile-names.ts';

describe('Content-Disposition', () => {
  test.each([
    ['attachment', undefined, 'attachment'],
    ['inline', 'foo.txt', 'inline; filename="foo.txt"'],
    ['attachment', 'Foo Bar.zip', 'attachment; filename="Foo Bar.zip"'],
    ['attachment', 'a"b\\c.txt', 'attachment; filename="a\\"b\\\\c.txt"'],
    ['attachment', 'ä☃.txt', `attachment; filename="__.txt"; filename*=UTF-8''%C3%A4%E2%98%83.txt`],
    ['attachment', 'a\r\nX: y', `attachment; filename="a__X: y"; filename*=UTF-8''a%0D%0AX%3A%20y`],
    ['attachment', "it's (1)*é", `attachment; filename="it's (1)*_"; filename*=UTF-8''it%27s%20%281%29%2A%C3%A9`],
    // Browsers decode escapes in the quoted form.
    ['attachment', '100%41.txt', `attachment; filename="100%41.txt"; filename*=UTF-8''100%2541.txt`],
    // A byte that is not UTF-8.
    ['attachment', 'M\udcdcller', `attachment; filename="M_ller"; filename*=UTF-8''M%EF%BF%BDller`],
  ] as const)('%s %j', (type, name, expected) => {
    expect(contentDisposition(type, name)).toBe(expected);
  });

  test('is one valid header value for any name', () => {
    fc.assert(
      fc.property(hostileName({ maxLength: 12 }), (name) => {
        const value = contentDisposition('attachment', name);
        expect(value).toMatch(/^attachment; filename="([^"\\]|\\["\\])*"(; filename\*=UTF-8''[\w.~!#$&+^`|%-]*)?$/);
        expect(new Headers({ 'Content-Disposition': value }).get('Content-Disposition')).toBe(value);
      }),
    );
  });
});

describe('the type of a file', () => {
  test.each([
    ['a.txt', 'text/plain; charset=utf-8'],
    ['a.html', 'text/html; charset=utf-8'],
    ['a.HTML', 'text/html; charset=utf-8'],
    ['a.json', 'application/json'],
    ['a.jpg', 'image/jpeg'],
    ['a.svg', 'image/svg+xml'],
    ['a.pdf', 'application/pdf'],
    ['a.csv', 'text/csv; charset=utf-8'],
    ['a.vcf', 'text/plain; charset=utf-8'],
    ['a.vcf.gz', 'application/gzip'],
    ['a.ts', 'text/plain; charset=utf-8'],
    ['a.bam', 'application/octet-stream'],
    ['a.unknown', 'application/octet-stream'],
    ['README', 'text/plain; charset=utf-8'],
    ['core', 'application/octet-stream'],
    ['a.', 'application/octet-stream'],
  ])('%s is %s', (name, type) => {
    expect(contentType(name)).toBe(type);
  });
});
