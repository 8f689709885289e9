import { isKeepError } from '../keep/errors.ts';
import { createS3Client, failure, S3Failure } from '../storage/s3-client.ts';
import { attestedMd5 } from '../storage/s3-etag.ts';
import { parseListing } from '../storage/s3-xml.ts';
import type { S3DriverConfig } from '../storage/volume-config.ts';
import { rangeHeader } from '../streams/byte-range.ts';
import type { GatewayBucket, Opened } from './bucket.ts';

/** @param etagIsMd5 whether this server's ETags are MD5s where AWS's would be */
export function createS3GatewayBucket(driver: S3DriverConfig, etagIsMd5: boolean): GatewayBucket {
  const client = createS3Client(driver);
  return {
    async list(prefix, cursor) {
      const query = {
        'list-type': '2',
        prefix,
        'encoding-type': 'url',
        ...(cursor === null ? {} : { 'continuation-token': cursor }),
      };
      const page = await client.sendForDocument({ method: 'GET', key: '', query }, (xml) => parseListing(xml, cursor));
      if (page === null) throw failure(new S3Failure('LIST', 404, ''));
      return { objects: page.objects.map(({ key, size, etag }) => ({ key, size, etag })), next: page.next };
    },

    // An address with such a segment is another one to every client of HTTP.
    obstacle: (key) =>
      /(^|\/)\.{1,2}(\/|$)/.test(key) ? 'S3 objects with the segment . or .. in their key cannot be addressed' : null,

    async stat(key, signal) {
      const response = await client.send({ method: 'HEAD', key, signal });
      if (response === null) return null;
      const { headers } = response;
      return {
        size: Number(headers.get('content-length')),
        etag: etagOf(headers),
        md5: etagIsMd5 ? attestedMd5(headers) : null,
      };
    },

    async open(key, { etag, offset, length, size }, signal): Promise<Opened> {
      const headers = { 'if-match': `"${etag}"`, range: rangeHeader({ offset, length }) };
      const response = await client.send({ method: 'GET', key, headers, signal }).catch((error: unknown) => {
        if (!isKeepError(error) || !(error.cause instanceof S3Failure)) throw error;
        return error.cause.status >= 400 && error.cause.status < 500 ? error.cause : Promise.reject(error);
      });
      if (response === null) return { state: 'gone' };
      if (response instanceof S3Failure) return refusalOf(response);
      // Some servers ignore conditions or ranges: what came must be what was asked for.
      const isIt =
        response.status === 206 &&
        etagOf(response.headers) === etag &&
        response.headers.get('content-range') === `bytes ${offset}-${offset + length - 1}/${size}`;
      if (isIt && response.body !== null) return { state: 'open', body: response.body };
      await response.body?.cancel();
      return { state: 'changed' };
    },
  };
}

/** 416: a shorter object took its place, and the server looked at the range first. */
function refusalOf({ status, s3Code, message }: S3Failure): Opened {
  if (status === 412 || status === 416) return { state: 'changed' };
  // 404 of a bucket that is not there, 408 and 429 say nothing about the object.
  if (status === 404 || status === 408 || status === 429) throw failure(new S3Failure('GET', status, s3Code));
  return { state: 'refused', reason: message.replace(/^S3 GET: /, '') };
}

function etagOf(headers: Headers): string {
  return (headers.get('etag') ?? '').replace(/^"|"$/g, '');
}
