import fc from 'fast-check';
import { XMLParser, XMLValidator } from 'fast-xml-parser';
import { describe, expect, test } from 'vitest';
import { multistatus, parsePropfind, type Resource, type Wanted } from '../../../../src/surfaces/keep-web/propfind.ts';
import { hostileName } from '../../../support/hostile-names.ts';

const file: Resource = {
  href: '/c=x/a%20b.txt',
  name: 'a b.txt',
  kind: 'file',
  modified: Date.parse('2025-04-28T19:50:49.093Z'),
  size: 3,
  type: 'text/plain; charset=utf-8',
  etag: async () => '"abc"',
};
const directory: Resource = { ...file, href: '/c=x/d/', name: 'd', kind: 'directory', modified: null };

async function render(resources: Resource[], wanted: Wanted): Promise<string> {
  let body = '';
  for await (const text of multistatus(resources, wanted)) body += text;
  return body;
}

describe('a PROPFIND body', () => {
  test.each<[string, unknown]>([
    ['', { kind: 'all' }],
    [' \n', { kind: 'all' }],
    ['<D:propfind xmlns:D="DAV:"><D:allprop/></D:propfind>', { kind: 'all' }],
    ['<?xml version="1.0"?><propfind xmlns="DAV:"><allprop/><include><x/></include></propfind>', { kind: 'all' }],
    ['<propfind xmlns="DAV:"><propname/></propfind>', { kind: 'names' }],
    [
      '<d:propfind xmlns:d="DAV:" xmlns:a="http://apple.example/"><d:prop><d:getetag/><a:quota/><b xmlns="urn:b"/></d:prop></d:propfind>',
      {
        kind: 'some',
        properties: [
          { namespace: 'DAV:', name: 'getetag' },
          { namespace: 'http://apple.example/', name: 'quota' },
          { namespace: 'urn:b', name: 'b' },
        ],
      },
    ],
  ])('%s is understood', (body, wanted) => {
    expect(parsePropfind(body)).toEqual(wanted);
  });

  test.each([
    'hello',
    '<propfind/>',
    '<propfind xmlns="DAV:"/>',
    '<propfind xmlns="DAV:"><prop/></propfind>',
    '<propfind xmlns="DAV:"><allprop/><propname/></propfind>',
    '<propfind xmlns="DAV:"><prop><a/></prop>',
    '<lockinfo xmlns="DAV:"><prop><a/></prop></lockinfo>',
    '<x:propfind><x:allprop/></x:propfind>',
    '<!DOCTYPE x [<!ENTITY a "aaaa">]><propfind xmlns="DAV:"><allprop/></propfind>',
  ])('%s is refused', (body) => {
    expect(() => parsePropfind(body)).toThrow(expect.objectContaining({ code: 'bad_request' }));
  });
});

describe('a PROPFIND body that would be answered with more than its listing', () => {
  const ask = (properties: string, namespaces = '') =>
    parsePropfind(`<propfind xmlns="DAV:" ${namespaces}><prop>${properties}</prop></propfind>`);

  test('is refused for many properties, and for long names and namespaces', () => {
    const many = Array.from({ length: 5000 }, (_, i) => `<p${i}/>`).join('');
    const long = `xmlns:z="${'x'.repeat(30_000)}"`;
    for (const [properties, namespaces] of [
      [many, ''],
      [`<z:a/>`, long],
      [Array.from({ length: 90 }, (_, i) => `<z:p${i}/>`).join(''), `xmlns:z="${'x'.repeat(100)}"`],
      [`<${'n'.repeat(30_000)}/>`, ''],
    ] as const)
      expect(() => ask(properties, namespaces)).toThrow(expect.objectContaining({ code: 'too_large' }));
  });

  test('names a property once, however often it is asked for', () => {
    expect(ask('<getetag/>'.repeat(5000))).toEqual({
      kind: 'some',
      properties: [{ namespace: 'DAV:', name: 'getetag' }],
    });
  });
});

describe('a multistatus answer', () => {
  test('lists all live properties that a file or directory has', async () => {
    expect(await render([file, directory], { kind: 'all' })).toBe(
      '<?xml version="1.0" encoding="UTF-8"?>\n<D:multistatus xmlns:D="DAV:">' +
        '<D:response><D:href>/c=x/a%20b.txt</D:href><D:propstat><D:prop><D:resourcetype/>' +
        '<D:displayname>a b.txt</D:displayname><D:getcontentlength>3</D:getcontentlength>' +
        '<D:getlastmodified>Mon, 28 Apr 2025 19:50:49 GMT</D:getlastmodified>' +
        '<D:getcontenttype>text/plain; charset=utf-8</D:getcontenttype><D:getetag>&#34;abc&#34;</D:getetag>' +
        '</D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response>' +
        '<D:response><D:href>/c=x/d/</D:href><D:propstat><D:prop><D:resourcetype><D:collection/></D:resourcetype>' +
        '<D:displayname>d</D:displayname></D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response>' +
        '</D:multistatus>\n',
    );
  });

  test('says 404 for what was asked and is not there, each in its namespace', async () => {
    const wanted = parsePropfind(
      '<p xmlns="DAV:" xmlns:z="urn:&lt;z"><x/></p>'
        .replace('<p ', '<propfind ')
        .replace('</p>', '</propfind>')
        .replace('<x/>', '<prop><getetag/><creationdate/><z:q/><n xmlns=""/></prop>'),
    );
    const body = await render([directory], wanted);
    expect(body).toContain(
      '<D:propstat><D:prop><D:getetag/><D:creationdate/><X:q xmlns:X="urn:&#60;z"/><n/></D:prop><D:status>HTTP/1.1 404 Not Found</D:status></D:propstat>',
    );
    expect(body).not.toContain('200 OK');
  });

  test('gives names without values when only names are asked for', async () => {
    expect(await render([file], { kind: 'names' })).toContain(
      '<D:prop><D:resourcetype/><D:displayname/><D:getcontentlength/>',
    );
  });

  test('is well-formed XML for any name, and says the name', async () => {
    const parser = new XMLParser({
      processEntities: true,
      htmlEntities: true,
      parseTagValue: false,
      trimValues: false,
    });
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(fc.string({ maxLength: 10 }), hostileName({ maxLength: 10 }), fc.constant('<&"\'\u0000\ud800😀]]>')),
        async (name) => {
          const body = await render([{ ...file, name }], { kind: 'all' });
          expect(XMLValidator.validate(body)).toBe(true);
          const printable = /^[\x20-\x7e]+$/.test(name);
          const read = parser.parse(body)['D:multistatus']['D:response']['D:propstat']['D:prop']['D:displayname'];
          if (printable) expect(String(read)).toBe(name);
        },
      ),
    );
  });
});
