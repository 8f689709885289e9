import type { OpenCollection } from '../collections/source.ts';
import type { RequestContext } from '../http/context.ts';
import { cacheKey, createBoundedMap } from '../keep/bounded-map.ts';
import { limited, redactPath } from '../keep/redact.ts';
import type { RangeRequest } from '../streams/byte-range.ts';
import type { FileDependencies } from './dependencies.ts';

/** Downloads of this isolate that were logged within the interval. */
const logged = createBoundedMap<true>({ maxEntries: 5000, maxBytes: 2 * 1024 * 1024, sizeOf: () => 0 });

/**
 * Notes a download in the request's log line and, when the body has ended or broken off, in the cluster's log
 * (docs/protocol/files.md#download-log). Ranges that do not begin at the first byte count as one download while they
 * follow each other within the interval.
 *
 * @param files how many files go out; `path` is the one file's path in the collection, null for several
 */
export function logDownload(
  context: RequestContext,
  deps: Pick<FileDependencies, 'downloads' | 'downloader' | 'recordDownload'>,
  { collection, token }: { collection: OpenCollection; token: string },
  { path, files, range, done }: { path: string | null; files: number; range: RangeRequest; done: Promise<void> },
): void {
  const facts = {
    collection_uuid: collection.uuid ?? '',
    collection_file_path: path ?? '',
    file_count: files,
    portable_data_hash: collection.portableDataHash,
  };
  Object.assign(context.log, facts);
  const who = deps.downloader(token).catch(() => null);
  const named = who.then((user) => {
    if (user !== null) Object.assign(context.log, { user_uuid: user.uuid, user_full_name: user.fullName });
  });
  context.bodyDone = Promise.all([done, named]);
  if (!deps.downloads.logEvents) return;
  const client = clientAddress(context.request);
  const record = async () => {
    const key = await cacheKey(context.path, collection.uuid ?? '', path ?? '', String(files), client, token);
    if (!isNewDownload(key, range, context.now + deps.downloads.logIntervalSeconds)) return;
    await done.catch(() => undefined);
    const user = await who;
    const reqPath = limited(`/${redactPath(context.path)}`);
    const object_uuid = user?.uuid ?? `${deps.downloads.clusterId}-tpzed-anonymouspublic`;
    const properties = { reqPath, ...facts, collection_file_path: limited(facts.collection_file_path) };
    deps.recordDownload({ event_type: 'file_download', object_uuid, properties }, token, context.waitUntil);
  };
  // A failing log must not turn a good download into an error.
  context.waitUntil(record().catch(() => undefined));
}

/** @param until Unix seconds: until then, ranges further on in the file count as the same download */
function isNewDownload(key: string, range: RangeRequest, until: number): boolean {
  const startsAnew = range.kind !== 'ranges' || range.ranges.some(({ offset }) => offset === 0);
  if (!startsAnew && logged.get(key) === true) return false;
  logged.set(key, true, until * 1000);
  return true;
}

/** The client's address: as the platform says, else the last valid one in X-Forwarded-For. */
export function clientAddress(request: Request): string {
  const platform = request.headers.get('CF-Connecting-IP');
  if (platform !== null) return platform;
  const forwarded = (request.headers.get('X-Forwarded-For') ?? '').split(',').map((text) => text.trim());
  return forwarded.findLast((text) => isAddress(text)) ?? '';
}

/** Characters of the longest address, an IPv4 one within IPv6: what is longer is not examined. */
const MAX_ADDRESS_CHARS = 45;

function isAddress(text: string): boolean {
  if (text.length > MAX_ADDRESS_CHARS) return false;
  if (/^\d{1,3}(\.\d{1,3}){3}$/.test(text)) return text.split('.').every((part) => Number(part) <= 255);
  return /^[0-9a-f:.]*:[0-9a-f:.]*$/i.test(text) && URL.canParse(`http://[${text}]/`);
}
