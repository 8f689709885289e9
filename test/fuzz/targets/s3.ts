import type { ByteSource } from '../../../src/blocks/byte-source.ts';
import { escapeXml } from '../../../src/http/xml.ts';
import { isKeepError } from '../../../src/keep/errors.ts';
import { chunkedSource } from '../../../src/surfaces/s3/chunked-source.ts';
import { partsToComplete } from '../../../src/surfaces/s3/complete-upload.ts';
import { keysToDelete } from '../../../src/surfaces/s3/delete-objects.ts';
import { claimedSignature, verifySignature } from '../../../src/surfaces/s3/signature.ts';
import { parseXml } from '../../../src/surfaces/s3/xml-document.ts';
import { cut, must, outcomeOf, type Target } from '../target.ts';

const NOW = Date.UTC(2026, 0, 31, 12);
const DATE = '20260131T120000Z';
const KEY = 'xedge-gj3su-000000000000000';
const CREDENTIAL = `${KEY}/20260131/us-east-1/s3/aws4_request`;
const HEX = 'a'.repeat(64);
const QUERY =
  `X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=${encodeURIComponent(CREDENTIAL)}&X-Amz-Date=${DATE}` +
  `&X-Amz-Expires=600&X-Amz-SignedHeaders=host&X-Amz-Signature=${HEX}`;

/** An Authorization header, or with a question mark before it the query of a link. */
export const s3Signatures: Target = {
  name: 'signatures of S3 (header and query)',
  seeds: [
    `AWS4-HMAC-SHA256 Credential=${CREDENTIAL}, SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature=${HEX}`,
    `AWS4-HMAC-SHA256 Credential=v2_${KEY}_secret/20260131/x/s3/aws4_request,SignedHeaders=host;x-amz-content-sha256;x-amz-date,Signature=${HEX}`,
    `?${QUERY}`,
    `?versionId=null&${QUERY}&response-content-type=text/plain`,
    '?AWSAccessKeyId=a&Signature=b&Expires=1',
    'AWS a:b',
  ],
  words: [
    'Credential=',
    'SignedHeaders=',
    'Signature=',
    '/aws4_request',
    'X-Amz-Date=',
    'X-Amz-Expires=604800',
    'X-Amz-Signature=',
    '&X-Amz-Content-Sha256=UNSIGNED-PAYLOAD',
    'host;',
    DATE,
  ],
  run(input) {
    const isQuery = input.startsWith('?');
    const url = URL.parse(`http://host/bucket/key${isQuery ? input : ''}`);
    if (url === null) return 'no address';
    const headers = new Headers(isQuery ? {} : { 'X-Amz-Date': DATE, 'X-Amz-Content-Sha256': HEX });
    try {
      if (!isQuery) headers.set('Authorization', input);
    } catch {
      return 'no header';
    }
    const request = new Request(url, { headers });
    const claimed = claimedSignature(request, NOW);
    if (claimed === null) return 'unsigned';
    const { accessKey, scope, signedHeaders, kind } = claimed;
    must(kind === (isQuery ? 'query' : 'header'), 'a signature from elsewhere');
    must(accessKey !== '' && scope.startsWith('20260131/') && scope.endsWith('/s3/aws4_request'), 'an odd scope');
    must(signedHeaders.includes('host'), 'a signature that does not cover the host');
    must('code' in outcomeOf(() => verifySignature(request, claimed, 'secret')), 'a signature that was made up');
    return `${kind} ${accessKey.length > 27} ${Math.min(signedHeaders.length, 5)} ${claimed.payloadHash.slice(0, 8)}`;
  },
};

const NAMESPACE = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"';
const bytesOf = (text: string) => new TextEncoder().encode(text);

/** Bodies of DeleteObjects and CompleteMultipartUpload. */
export const s3Bodies: Target = {
  name: 'XML bodies of S3',
  seeds: [
    `<Delete ${NAMESPACE}><Object><Key>a/b c.txt</Key></Object><Object><Key>&lt;&#x41;&amp;</Key><VersionId>null</VersionId></Object><Quiet>true</Quiet></Delete>`,
    '<?xml version="1.0" encoding="UTF-8"?>\n<s3:Delete xmlns:s3="x"><s3:Object><s3:Key><![CDATA[a<b]]></s3:Key><s3:ETag>"a"</s3:ETag></s3:Object></s3:Delete>',
    `<CompleteMultipartUpload ${NAMESPACE}><Part><PartNumber>1</PartNumber><ETag>&quot;${HEX.slice(32)}&quot;</ETag></Part><Part><ETag>b</ETag><PartNumber>20</PartNumber><ChecksumCRC32>AAAAAA==</ChecksumCRC32></Part></CompleteMultipartUpload>`,
    '<Delete><Object><Key>a</Key></Object><!-- <Object> --></Delete>',
  ],
  words: [
    '<Object>',
    '</Object>',
    '<Key>',
    '</Key>',
    '<Part>',
    '<PartNumber>',
    '<ETag>',
    '<Quiet/>',
    '<!DOCTYPE a [<!ENTITY b "c">]>',
    '&b;',
    '&#0;',
    '&#x10ffff;',
    '<__proto__>',
    '<constructor>',
    ' xmlns=""',
    '<?xml?>',
  ],
  run(input) {
    if (input.length < 1000) sameKey(input);
    if (input.includes('CompleteMultipartUpload')) {
      const parts = partsToComplete(parseXml(bytesOf(input), 'CompleteMultipartUpload'));
      must(
        parts.every(({ number }, i) => number > (parts[i - 1]?.number ?? -1)),
        'parts out of order',
      );
      must(
        parts.every(({ etag }) => /^".*"$/s.test(etag)),
        'an ETag without quotes',
      );
      return `parts ${Math.min(parts.length, 5)} ${parts[0]?.checksum !== null}`;
    }
    const keys = keysToDelete(parseXml(bytesOf(input), 'Delete'));
    must(
      keys.every(({ key }) => typeof key === 'string' && key !== ''),
      'a key that is none',
    );
    return `keys ${Math.min(keys.length, 5)} ${keys.some(({ versionId }) => versionId !== undefined)}`;
  },
};

/** Whatever a key is, a client that escapes it deletes that key and no other. */
function sameKey(text: string): void {
  if (text === '' || escapeXml(text).includes('\ufffd')) return;
  const [only, second] = keysToDelete(
    parseXml(bytesOf(`<Delete><Object><Key>${escapeXml(text)}</Key></Object></Delete>`), 'Delete'),
  );
  must(only?.key === text && second === undefined, 'another key than the one that was sent');
}

/** Bodies in `aws-chunked` form: the same content wherever they are cut, and nothing of the framing in it. */
export const awsChunked: Target = {
  name: 'aws-chunked',
  seeds: [
    '5\r\nhello\r\n6\r\n world\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n',
    '5\r\nhello\r\n0\r\n\r\n',
    '0\r\n\r\n',
    '00A\r\n0\r\n\r\n1\r\n\r\n\r\n0\r\na:b\r\nc: d \r\n\r\n',
    `5;chunk-signature=${HEX}\r\nhello\r\n0;chunk-signature=${HEX}\r\n\r\n`,
  ],
  words: [
    '\r\n',
    '\r',
    '\n',
    '0\r\n',
    '\r\n\r\n',
    'x-amz-trailer-signature:',
    `;chunk-signature=${HEX}`,
    'ffffffffffffff',
  ],
  async run(input, random) {
    const bytes = new Uint8Array(Buffer.from(input, 'latin1'));
    const whole = await decoded([bytes]);
    const inParts = await decoded(cut(random, bytes));
    must(whole.error?.message === inParts.error?.message, 'a failure that depends on where the body is cut');
    if (whole.error !== null) throw whole.error;
    must(whole.content === inParts.content, 'content that depends on where the body is cut');
    must(whole.content.length < bytes.byteLength, 'content that is as long as its framing');
    const size = whole.content.length;
    const framed = `${size === 0 ? '' : `${size.toString(16)}\r\n${whole.content}\r\n`}0\r\n\r\n`;
    const again = await decoded(cut(random, new Uint8Array(Buffer.from(framed, 'latin1'))));
    must(again.content === whole.content && again.error === null, 'content that does not survive its framing');
    return `${Math.min(size, 20)} ${Math.min(input.split('\r\n').length, 9)} ${whole.trailers}`;
  },
};

interface Decoded {
  /** Latin-1. */
  content: string;
  trailers: number;
  error: Error | null;
}

async function decoded(chunks: Uint8Array[]): Promise<Decoded> {
  const source = chunkedSource(sourceOf(chunks), { signed: null, hasTrailers: true });
  let content = '';
  try {
    for (let bytes = await source.take(1000); bytes !== null; bytes = await source.take(1000))
      content += Buffer.from(bytes).toString('latin1');
    return { content, trailers: source.trailers().size, error: null };
  } catch (error) {
    if (!isKeepError(error)) throw error;
    return { content, trailers: 0, error };
  }
}

/** Copies: the decoder moves content within the memory that it is given. */
function sourceOf(chunks: Uint8Array[]): ByteSource {
  const rest = chunks.map((chunk) => chunk.slice());
  return {
    take: () => Promise.resolve(rest.shift() ?? null),
    fill: () => Promise.reject(new Error('not asked for')),
    cancel: () => Promise.resolve(),
  };
}
