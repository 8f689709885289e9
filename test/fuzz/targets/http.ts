import { XMLValidator } from 'fast-xml-parser';
import { judgeConditions, rangeApplies } from '../../../src/files/conditions.ts';
import { contentDisposition } from '../../../src/files/content-disposition.ts';
import { escapeXml } from '../../../src/http/xml.ts';
import { idOfHost } from '../../../src/keep/collection-ids.ts';
import { KeepError } from '../../../src/keep/errors.ts';
import { redactPath } from '../../../src/keep/redact.ts';
import { encodePath } from '../../../src/keep/uri-paths.ts';
import { errorsOf, parseErrorCode, parseListing } from '../../../src/storage/s3-xml.ts';
import { contentRange, parseRange } from '../../../src/streams/byte-range.ts';
import { parseAddress } from '../../../src/surfaces/keep-web/address.ts';
import { originPolicy } from '../../../src/surfaces/keep-web/origin-policy.ts';
import { multistatus, parsePropfind } from '../../../src/surfaces/keep-web/propfind.ts';
import { must, type Target } from '../target.ts';

export const range: Target = {
  name: 'Range',
  seeds: ['bytes=0-99', 'bytes=5-', 'bytes=-5', 'bytes=0-0,2-3, 7-', 'bytes=0-0,-1', 'bytes=99999-'],
  words: ['bytes=', '-', ',', ' ', '0-', '-1', '1-2', '67108863', '67108864'],
  run(input, random) {
    const size = random.pick([0, 1, 10, 67_108_864, 2 ** 40]);
    const asked = parseRange(input, size);
    if (asked.kind !== 'ranges') return asked.kind;
    must(asked.ranges.length > 0, 'no range at all');
    let total = 0;
    for (const { offset, length } of asked.ranges) {
      must(Number.isSafeInteger(offset) && Number.isSafeInteger(length), 'not whole numbers');
      must(offset >= 0 && length > 0 && offset + length <= size, 'a range beyond the content');
      must(/^bytes \d+-\d+\/\d+$/.test(contentRange({ offset, length }, size)), 'an odd Content-Range');
      total += length;
    }
    must(asked.ranges.length === 1 || total <= size, 'more bytes than there are');
    return `${Math.min(asked.ranges.length, 4)} ${asked.ranges.length > 256}`;
  },
};

export const conditions: Target = {
  name: 'conditions (ETag lists, dates)',
  seeds: ['"abc"', 'W/"abc", "def"', '*', 'Sat, 21 Nov 2026 04:45:56 GMT', '"abc', ''],
  words: ['W/', '"', ',', 'GMT', '"abc"', '*', '1970'],
  run(input, random) {
    const name = random.pick(['If-Match', 'If-None-Match', 'If-Modified-Since', 'If-Unmodified-Since', 'If-Range']);
    const headers = { get: (asked: string) => (asked === name ? input : null) } as Headers;
    const validators = { etag: '"abc"', modified: random.oneIn(3) ? null : 1_795_236_356_000 };
    return `${name} ${judgeConditions(random.pick(['GET', 'POST']), headers, validators)} ${rangeApplies(headers, validators)}`;
  },
};

const S3_PAGES = [
  '<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>b</Name><KeyCount>2</KeyCount><IsTruncated>true</IsTruncated><NextContinuationToken>abc</NextContinuationToken><EncodingType>url</EncodingType><Contents><Key>acb%2Facbd18db4cc2f85cedef654fccc4a4d8</Key><LastModified>2026-11-21T04:45:56.123Z</LastModified><ETag>"acbd18db4cc2f85cedef654fccc4a4d8"</ETag><Size>3</Size></Contents><Contents><Key>x</Key><LastModified>2026-11-21T04:45:56Z</LastModified><Size>67108864</Size></Contents></ListBucketResult>',
  '<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>',
  '<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>',
  '<DeleteResult><Error><Key>a</Key><Code>AccessDenied</Code></Error><Error><Code>InternalError</Code></Error></DeleteResult>',
];

export const s3Listing: Target = {
  name: 'S3 listings and errors',
  seeds: S3_PAGES,
  words: [
    '<Contents>',
    '</Contents>',
    '<Key>',
    '</Key>',
    '<Size>',
    '<Error>',
    '<Code>',
    '</Code>',
    '<!DOCTYPE a [<!ENTITY b "c">]>',
    '&b;',
    '<![CDATA[x]]>',
    ' a="b"',
    '<ListBucketResult>',
    '<__proto__>',
    '<constructor>',
  ],
  run(input) {
    const areTexts = (codes: unknown[]) =>
      must(
        codes.every((code) => typeof code === 'string'),
        'a code that is no text',
      );
    areTexts([parseErrorCode(input)]);
    let errors: ReturnType<typeof errorsOf>;
    let page: ReturnType<typeof parseListing>;
    try {
      errors = errorsOf(input);
      page = parseListing(input);
    } catch (cause) {
      // The driver says `unavailable` for all of these: what matters is that they end.
      throw new KeepError('unavailable', { message: 'not a listing', cause });
    }
    areTexts(errors);
    for (const { key, size, modified } of page.objects) {
      must(typeof key === 'string', 'a key that is no text');
      must(Number.isSafeInteger(size) && size >= 0, 'a size that is none');
      must(Number.isFinite(modified), 'a time that is none');
    }
    must(page.next === null || (typeof page.next === 'string' && page.next !== ''), 'a token that is no text');
    return `${page.objects.length} ${page.next === null}`;
  },
  refuses: ['unavailable'],
};

const PROPFINDS = [
  '<?xml version="1.0"?><D:propfind xmlns:D="DAV:"><D:allprop/></D:propfind>',
  '<propfind xmlns="DAV:"><propname/></propfind>',
  '<a:propfind xmlns:a="DAV:" xmlns:b="urn:x"><a:prop><a:getetag/><b:thing/><a:resourcetype/><c xmlns="urn:y"/></a:prop></a:propfind>',
  '<propfind xmlns="DAV:"><prop><displayname xmlns=""/><getcontentlength/></prop></propfind>',
];

export const propfind: Target = {
  name: 'PROPFIND bodies',
  seeds: PROPFINDS,
  words: [
    '<!DOCTYPE x>',
    '<!ENTITY a "b">',
    '&a;',
    '&lt;',
    '&#0;',
    'xmlns=',
    'xmlns:b=',
    '"urn:<>&"',
    '<prop>',
    '</prop>',
    'DAV:',
    '<![CDATA[',
    ']]>',
    '<?x?>',
    '<!--',
    '-->',
    ':',
    '<b:x/>',
    '__proto__',
  ],
  async run(input, random) {
    const wanted = parsePropfind(input);
    if (!random.oneIn(4))
      return `${wanted.kind} ${wanted.kind === 'some' ? Math.min(wanted.properties.length, 3) : ''}`;
    const resource = {
      href: '/c=x/a%20b',
      name: input.slice(0, 50),
      kind: 'file' as const,
      modified: 0,
      size: 1,
      type: 'text/plain',
      etag: () => '"a"',
    };
    let xml = '';
    for await (const chunk of multistatus([resource], wanted)) xml += chunk;
    const verdict = XMLValidator.validate(xml);
    must(verdict === true, `the answer is not XML: ${JSON.stringify(verdict)} ${xml}`);
    return `answered ${wanted.kind}`;
  },
};

const ADDRESSES = [
  '/c=xedge-4zz18-0123456789abcde/dir/file.txt',
  '/by_id/xedge-4zz18-0123456789abcde/_/t=x',
  '/collections/download/acbd18db4cc2f85cedef654fccc4a4d8-3/v2token/a',
  '/collections/acbd18db4cc2f85cedef654fccc4a4d8+3/foo/',
  '/t=v2/xedge-gj3su-077z32aux8dg2s1/secretsecretsecret/dir/',
  '/users/root/A collection/x',
  '/',
];
const HOSTS = [
  'xedge-4zz18-0123456789abcde.collections.example.org',
  'acbd18db4cc2f85cedef654fccc4a4d8-3--collections.example.org:443',
  'download.example.org',
  'localhost:8080',
];

export const address: Target = {
  name: 'download addresses and hosts',
  seeds: [...ADDRESSES, ...HOSTS],
  words: [
    '/',
    '//',
    '..',
    '.',
    '%2e',
    '\\',
    '/_/',
    't=',
    'c=',
    'v2/',
    'by_id',
    '--',
    ':80',
    '?',
    '#',
    '@',
    'xedge-4zz18-0123456789abcde',
    'acbd18db4cc2f85cedef654fccc4a4d8-3',
  ],
  run(input, random) {
    const isHost = !input.startsWith('/');
    const id = isHost ? idOfHost(input) : null;
    must(
      id === null || /^([0-9a-z]{5}-(4zz18|j7d0g)-[0-9a-z]{15}|[0-9a-f]{32}\+[0-9]+)$/.test(id),
      'an id of another shape',
    );
    const host = isHost ? input : random.pick(HOSTS);
    const parsed = parseAddress(host, isHost ? random.pick(ADDRESSES) : input);
    if (parsed === null) return 'nothing';
    for (const part of [...parsed.prefix, ...parsed.path])
      must(
        part !== '' && part !== '.' && part !== '..' && !part.includes('/'),
        `a component that leads elsewhere: ${part}`,
      );
    const encoded = encodePath([...parsed.prefix, ...parsed.path], parsed.trailingSlash);
    const url = new URL(encoded, 'http://localhost');
    must(
      url.host === 'localhost' && url.pathname === encoded && url.search === '',
      `an address that leads elsewhere: ${encoded}`,
    );
    const policy = originPolicy(parsed, host, false, { downloadHost: 'download.example.org', trustAllContent: false });
    if (parsed.kind === 'id' && parsed.anonymousOnly)
      must(!policy.credentials, 'credentials are looked at where they must not be');
    must(
      policy.attachment || !policy.credentials || (parsed.kind === 'id' && parsed.ownOrigin),
      'content of a shared origin is shown with credentials',
    );
    if (parsed.kind === 'site') return 'site';
    return `${parsed.ownOrigin} ${parsed.pathToken === null} ${parsed.anonymousOnly} ${parsed.prefix.length}`;
  },
};

const SECRET = '3kg6k6lzmp9kj5cpkcoxie963cmvjahbt2fod9zru30k1jqdmi';
const SIGNATURE = '0123456789abcdef0123456789abcdef01234567';

export const names: Target = {
  name: 'names in headers, XML, HTML and logs',
  seeds: [
    'plain.txt',
    'é "quoted" \\ name',
    'a\r\nSet-Cookie: x=y',
    '<script>alert(1)</script>',
    '\ud800',
    "it's%20*",
    'a/b',
  ],
  words: ['\r\n', '"', '\\', '<', '>', '&', "'", '--', '%0d%0a', '\u2028'],
  run(input) {
    const disposition = contentDisposition('attachment', input);
    must(
      /^attachment; filename="(?:[^"\\]|\\.)*"(; filename\*=UTF-8''[A-Za-z0-9._~!%-]*)?$/.test(disposition),
      `a header that breaks: ${disposition}`,
    );
    must(/^[\x20-\x7e]*$/.test(disposition), 'a header beyond ASCII');
    const extended = /filename\*=UTF-8''(.*)$/.exec(disposition)?.[1];
    must(disposition.length < 4000, 'a header of any length');
    if (extended !== undefined && input.length <= 255)
      must(decodeURIComponent(extended) === input.toWellFormed(), 'the full name is another');
    const xml = escapeXml(input);
    must(!/[<>"']/.test(xml) && XMLValidator.validate(`<a b="${xml}">${xml}</a>`) === true, `not safe in XML: ${xml}`);
    const around = input.replaceAll('/', '');
    for (const path of [
      `/acbd18db4cc2f85cedef654fccc4a4d8+3+A${SIGNATURE}@7fffffff${around}`,
      `/t=${SECRET}/${input}`,
      `/${around}/t=v2/xedge-gj3su-077z32aux8dg2s1/${SECRET}/${input}`,
      `/c=xedge-4zz18-0123456789abcde/t=${SECRET}${around}/x`,
      `/collections/download/xedge-4zz18-0123456789abcde/${SECRET}${around}/x`,
    ]) {
      const logged = redactPath(path);
      must(!logged.includes(SECRET) && !logged.includes(SIGNATURE), `a secret in the log: ${logged}`);
    }
    return String(extended === undefined);
  },
};
