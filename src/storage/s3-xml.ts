import { XMLParser } from 'fast-xml-parser';

const parser = new XMLParser({
  parseTagValue: false,
  trimValues: false,
  ignoreDeclaration: true,
  isArray: (name) => name === 'Contents' || name === 'Error',
});

/** Elements and the like of a document: twice those of 1000 objects. Each costs the parser microseconds. */
const MAX_MARKS = 100_000;

/** @throws Error for a document that is not well-formed, or has more in it than any */
function parsed(xml: string, isStrict: boolean) {
  let marks = 0;
  for (let at = xml.indexOf('<'); at >= 0; at = xml.indexOf('<', at + 1))
    if (++marks > MAX_MARKS) throw new Error('the S3 server answered with too large a document');
  return parser.parse(xml, isStrict);
}

export interface S3Listing {
  /** ETags without quotes; '' where the server names none. */
  objects: { key: string; size: number; modified: number; etag: string }[];
  /** Null at the end of the list. Pages may be short long before that. */
  next: string | null;
}

/** Field values are text; what is missing is undefined. */
type Fields = Record<string, string | undefined>;

/**
 * A page of ListObjectsV2. A page that was cut off, or an entry without key, size or time, is an error: keep-balance
 * takes a block that is missing from an index for lost. Times are cut to whole seconds, which is all that HEAD and GET
 * say: the same object must have one time.
 * @param cursor of the request: a page that leads back to it would never end
 */
export function parseListing(xml: string, cursor: string | null = null): S3Listing {
  const page = parsed(xml, true).ListBucketResult as (Fields & { Contents?: Fields[] }) | undefined;
  if (page === undefined) throw new Error('the S3 server did not answer with a listing');
  const decode = page.EncodingType === 'url' ? decodeUrlEncoded : (key: string) => key;
  const objects = (page.Contents ?? []).map(({ Key, Size, LastModified, ETag = '' }) => {
    const modified = typeof LastModified === 'string' ? wholeSeconds(Date.parse(LastModified)) : Number.NaN;
    if (typeof Key !== 'string' || Key === '' || !isSize(Size) || Number.isNaN(modified))
      throw new Error('the S3 server listed an object without key, size or time');
    return { key: decode(Key), size: Number(Size), modified, etag: ETag.replace(/^"|"$/g, '') };
  });
  if (page.IsTruncated !== 'true') return { objects, next: null };
  const next = page.NextContinuationToken;
  if (typeof next !== 'string' || next === '' || next === cursor)
    throw new Error('the S3 server cut its listing short without a token to go on');
  return { objects, next };
}

/** The code of an error document, empty when there is none (HEAD has no body, proxies answer in HTML). */
export function parseErrorCode(xml: string): string {
  if (!xml.includes('<Error>')) return '';
  try {
    return codesOf(parsed(xml, false))[0] ?? '';
  } catch {
    return 'unreadable';
  }
}

/**
 * Codes of the errors inside an answer: CopyObject and DeleteObjects report them under status 200. An empty answer
 * reports none.
 * @throws Error when the answer was cut off: an error may have been in the part that is missing
 */
export function errorsOf(xml: string): string[] {
  return xml.trim() === '' ? [] : codesOf(parsed(xml, true));
}

/** What is longer, or a sentence, is none: codes go into logs and records. */
const CODE = /^[\w.:-]{1,100}$/;

function codesOf(document: { Error?: Fields[]; DeleteResult?: { Error?: Fields[] } }): string[] {
  return (document.Error ?? document.DeleteResult?.Error ?? []).map(({ Code }) =>
    typeof Code === 'string' && CODE.test(Code) ? Code : 'unknown',
  );
}

/** The body of DeleteObjects; asks for failures only. */
export function deleteRequest(keys: string[]): string {
  const objects = keys.map((key) => `<Object><Key>${escapeXml(key)}</Key></Object>`).join('');
  return `<Delete xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Quiet>true</Quiet>${objects}</Delete>`;
}

function isSize(text: unknown): boolean {
  return typeof text === 'string' && /^[0-9]{1,15}$/.test(text);
}

function wholeSeconds(milliseconds: number): number {
  return Math.floor(milliseconds / 1000) * 1000;
}

function decodeUrlEncoded(text: string): string {
  return decodeURIComponent(text.replaceAll('+', ' '));
}

function escapeXml(text: string): string {
  return text.replace(/[&<>"'\r\n]/g, (char) => `&#${char.charCodeAt(0)};`);
}
