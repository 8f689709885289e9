import { isKeepError, KeepError } from '../keep/errors.ts';
import { type ByteRange, rangeHeader } from '../streams/byte-range.ts';
import { fanOut } from '../streams/fan-out.ts';
import { hexOf } from '../streams/md5-stream.ts';
import type { ListPage, ObjectInfo, ObjectStore, PutOptions, StoredObject } from './object-store.ts';
import { createS3Client, failure, S3Failure } from './s3-client.ts';
import { attestedMd5 } from './s3-etag.ts';
import { deleteRequest, errorsOf, parseListing } from './s3-xml.ts';
import type { S3DriverConfig } from './volume-config.ts';

/** Of objects that show how the server behaves; keepstores ignore such keys. */
const PROBES = 'unnamed/probe-';
const MAX_KEYS_PER_PAGE = 1000;
const MAX_KEYS_PER_DELETE = 1000;

/**
 * ObjectStore over the S3 protocol (AWS, Ceph and other servers). Times are whole seconds.
 * Preconditions are only relied on where the server was seen to honour them: many ignore them.
 */
export function createS3ObjectStore(driver: S3DriverConfig): ObjectStore {
  const client = createS3Client(driver);

  /** Whether the server refuses a PUT because of its If-None-Match. Null: not yet known. */
  let honours: boolean | null = null;

  async function honoursConditions(): Promise<boolean> {
    honours ??= await probe();
    return honours;
  }

  /** Puts an object of no meaning twice under one key. */
  async function probe(): Promise<boolean> {
    const key = `${PROBES}${crypto.randomUUID()}`;
    const one = () => put(key, new Uint8Array(0), { size: 0 }, { 'if-none-match': '*' });
    try {
      return (await one()) !== null && (await one()) === null;
    } catch (error) {
      // A server that takes the header for a mistake does not honour it either.
      if (isRefusal(error, 400) || isRefusal(error, 501)) return false;
      throw error;
    } finally {
      await store.delete([key]).catch(() => undefined);
    }
  }

  /** Null when a condition in `conditions` does not hold. */
  async function put(
    key: string,
    body: ReadableStream<Uint8Array> | Uint8Array,
    { size, md5, signal }: Omit<PutOptions, 'ifAbsent'>,
    conditions: Record<string, string> = {},
  ): Promise<ObjectInfo | null> {
    const headers = { ...conditions, ...(md5 === undefined ? {} : { 'content-md5': base64OfHex(md5) }) };
    // The stream's own length becomes Content-Length: without one it would be sent chunked, which S3 refuses.
    const response = await client.send({ method: 'PUT', key, headers, body, signal }).catch((error: unknown) => {
      // 409: another conditional write of the key is under way.
      if ('if-none-match' in conditions && (isRefusal(error, 412) || isRefusal(error, 409))) return 'refused' as const;
      throw error;
    });
    if (response === 'refused') return null;
    await response?.body?.cancel();
    if (response === null) throw failure(new S3Failure('PUT', 404, ''));
    const stored = attestedMd5(response.headers);
    // Only with a server that ignores Content-MD5. What it stored is never served as a block, and a correct PUT replaces
    // it; deleting it could delete a good copy written in between.
    if (md5 !== undefined && stored !== null && stored !== md5) {
      throw new KeepError('body_mismatch', {
        cause: new Error('the S3 server stored something else than it was sent'),
      });
    }
    return { key, size, md5: stored, modified: Date.parse(response.headers.get('date') ?? '') || Date.now() };
  }

  /**
   * Puts what is not there, on a server without conditions: another PUT may come first or replace this one. What is
   * stored in the end is read back and must be what was sent.
   */
  async function putAndCompare(
    key: string,
    body: ReadableStream<Uint8Array> | Uint8Array,
    options: Omit<PutOptions, 'ifAbsent'>,
  ): Promise<ObjectInfo | null> {
    if ((await store.head(key, options.signal)) !== null) {
      if (body instanceof ReadableStream) await body.cancel();
      return null;
    }
    const sent = new crypto.DigestStream('SHA-256');
    sent.digest.catch(() => undefined);
    const source = body instanceof ReadableStream ? body : streamOf(body);
    const pipe = new FixedLengthStream(options.size);
    const putting = put(key, pipe.readable, options);
    const failed = putting.then(() => new Promise<never>(() => undefined));
    failed.catch(() => undefined);
    const [info] = await Promise.all([
      putting,
      fanOut(source, [
        { writable: pipe.writable, required: true, failure: failed },
        { writable: sent, required: true },
      ]),
    ]);
    const stored = await store.get(key, { signal: options.signal });
    if (stored === null) return null;
    const kept = new crypto.DigestStream('SHA-256');
    const digest = kept.digest.catch(() => new ArrayBuffer(0));
    await stored.body.pipeTo(kept);
    return hexOf(await digest) === hexOf(await sent.digest) ? info : null;
  }

  const store: ObjectStore = {
    async get(key, { range, signal } = {}): Promise<StoredObject | null> {
      const headers = range === undefined ? {} : { range: rangeHeader(range) };
      const response = await client.send({ method: 'GET', key, headers, signal });
      if (response === null) return null;
      const body = response.body ?? new Response(new Uint8Array(0)).body;
      try {
        if (body !== null && isFrom(response, range)) return { ...infoOf(key, response.headers), body };
      } catch (error) {
        await response.body?.cancel();
        throw error;
      }
      await response.body?.cancel();
      throw failure(new S3Failure('GET', response.status, 'range ignored'));
    },

    async head(key, signal): Promise<ObjectInfo | null> {
      const response = await client.send({ method: 'HEAD', key, signal });
      return response === null ? null : infoOf(key, response.headers);
    },

    async put(key, body, { ifAbsent = false, ...options }): Promise<ObjectInfo | null> {
      if (!ifAbsent) return put(key, body, options);
      if (await honoursConditions()) return put(key, body, options, { 'if-none-match': '*' });
      return putAndCompare(key, body, options);
    },

    async copy(from, to): Promise<ObjectInfo | null> {
      const headers = {
        'x-amz-copy-source': client.copySource(from),
        // A copy onto itself is a touch, which S3 only accepts as a change of metadata.
        ...(from === to ? { 'x-amz-metadata-directive': 'REPLACE' } : {}),
      };
      // The status may have been sent before the copy failed.
      const errors = await client.sendForDocument({ method: 'PUT', key: to, headers }, errorsOf);
      if (errors === null) return null;
      if (errors[0] !== undefined) throw failure(new S3Failure('COPY', 200, errors[0]));
      const copied = await store.head(to);
      if (copied === null) throw failure(new S3Failure('COPY', 404, 'the copy is gone already'));
      return copied;
    },

    async delete(keys): Promise<void> {
      const [only] = keys;
      if (only !== undefined && keys.length === 1) {
        const response = await client.send({ method: 'DELETE', key: only });
        await response?.body?.cancel();
        return;
      }
      for (let at = 0; at < keys.length; at += MAX_KEYS_PER_DELETE)
        await deleteMany(keys.slice(at, at + MAX_KEYS_PER_DELETE));
    },

    async list({ prefix, cursor, startAfter, limit = MAX_KEYS_PER_PAGE }): Promise<ListPage> {
      const query: Record<string, string> = {
        'list-type': '2',
        prefix,
        'max-keys': String(Math.min(limit, MAX_KEYS_PER_PAGE)),
        'encoding-type': 'url',
      };
      if (cursor) query['continuation-token'] = cursor;
      else if (startAfter !== undefined) query['start-after'] = startAfter;
      const page = await client.sendForDocument({ method: 'GET', key: '', query }, (xml) => parseListing(xml, cursor));
      if (page === null) throw failure(new S3Failure('LIST', 404, ''));
      // A listing does not say whether an ETag is an MD5 (those of encrypted objects are not).
      return {
        objects: page.objects.map(({ key, size, modified }) => ({ key, size, modified, md5: null })),
        next: page.next,
      };
    },
  };

  async function deleteMany(keys: string[]): Promise<void> {
    const body = new TextEncoder().encode(deleteRequest(keys));
    const digest = new Uint8Array(await crypto.subtle.digest('MD5', body));
    const headers = { 'content-md5': btoa(String.fromCharCode(...digest)) };
    const request = { method: 'POST', key: '', query: { delete: '' }, headers, body } as const;
    const errors = await client.sendForDocument(request, errorsOf);
    if (errors === null) throw failure(new S3Failure('DELETE', 404, ''));
    if (errors[0] !== undefined) throw failure(new S3Failure('DELETE', 200, errors[0]));
  }

  return store;
}

function isRefusal(error: unknown, status: number): boolean {
  return isKeepError(error) && error.cause instanceof S3Failure && error.cause.status === status;
}

function streamOf(bytes: Uint8Array): ReadableStream<Uint8Array> {
  return new Response(bytes).body ?? new ReadableStream();
}

/** Whether an answer begins where it was asked to. An object that is shorter than the range is another matter. */
function isFrom({ status, headers }: Response, range: ByteRange | undefined): boolean {
  if (range === undefined) return status !== 206;
  return status === 206 && (headers.get('content-range') ?? '').startsWith(`bytes ${range.offset}-`);
}

/** Metadata of the whole object, also from the answer to a range request. */
function infoOf(key: string, headers: Headers): ObjectInfo {
  const total = /\/(\d+)$/.exec(headers.get('content-range') ?? '')?.[1] ?? headers.get('content-length');
  if (total === null)
    throw new KeepError('unavailable', { cause: new Error('the S3 server did not say how long the object is') });
  const modified = Date.parse(headers.get('last-modified') ?? '');
  // A block without a time would be too young for nothing.
  if (Number.isNaN(modified))
    throw new KeepError('unavailable', { cause: new Error('the S3 server did not say how old the object is') });
  return {
    key,
    size: Number(total),
    md5: attestedMd5(headers),
    modified,
  };
}

function base64OfHex(hex: string): string {
  return btoa(hex.replace(/../g, (byte) => String.fromCharCode(Number.parseInt(byte, 16))));
}
