import { receiveBody } from '../blocks/receive-body.ts';
import { EMPTY_HASH, MAX_BLOCK_BYTES } from '../keep/limits.ts';
import { type Locator, parseLocator, stripSignature } from '../keep/locator.ts';
import { mountOrder } from '../keep/rendezvous.ts';
import { type SigningKey, signLocator } from '../keep/signature.ts';
import { type PullItem, readPullList } from '../keep/work-lists.ts';
import type { KeepClient } from '../services/keep-client.ts';
import { keysOf } from '../storage/bucket-layout.ts';
import type { Mount } from '../storage/mounts.ts';
import { done, failed, type Outcome } from './outcome.ts';
import { MAX_CONNECTIONS, STORE_REQUESTS_PER_ALARM } from './platform-limits.ts';
import { pullServers } from './pull-servers.ts';
import type { Work } from './work-queue.ts';

/** Store and server requests that one pull makes at most, with one server to ask. */
const REQUESTS_PER_ENTRY = 8;

/** Pull lists. At least one entry is worked on at a time, even with BLOB_REPLICATE_CONCURRENCY = 0, as in keepstore. */
export function pullWork(context: PullContext, concurrency: number): Work<PullItem> {
  return {
    kind: 'pull',
    read: readPullList,
    encode: (item) => JSON.stringify(item),
    decode: (text) => JSON.parse(text) as PullItem,
    locatorOf: ({ locator }) => stripSignature(locator),
    concurrency: Math.min(Math.max(1, concurrency), MAX_CONNECTIONS),
    entriesPerAlarm: Math.floor(STORE_REQUESTS_PER_ALARM / REQUESTS_PER_ENTRY),
    run: (item) => pullEntry(item, context),
  };
}

export interface PullContext {
  mounts: Mount[];
  /** Null: blocks are not signed. */
  signing: SigningKey | null;
  /** Hosts that may be pulled from; empty for all. */
  hosts: readonly string[];
  /** A client of one server that shows PULL_TOKEN and asks once. */
  clientOf: (server: string) => Pick<KeepClient, 'transfer'>;
  /** Unix milliseconds now. */
  clock: () => number;
}

/** The token that keepstores present to each other when they pull. It is in no database: only signatures made with it count. */
export const PULL_TOKEN = 'keepstore-token-used-for-pulling-data-from-same-cluster';

/** One entry may take this long in all; with what a slice may take before it, that is less than an alarm's 15 minutes. */
const ENTRY_TIMEOUT_MS = 600_000;

/**
 * Fetches a block from the first server that has a good copy and writes it to one mount. The body passes straight to
 * the store, which refuses what is not the block; then the next server is asked. If the mount has the block already,
 * only its time is renewed, as by any write.
 */
export async function pullEntry(item: PullItem, context: PullContext): Promise<Outcome> {
  const locator = parsed(item.locator);
  if (locator === null) return failed('invalid_locator', 'not a locator of a block that Keep could hold');
  const mount = destination(locator, item.mountUuid, context.mounts);
  if ('result' in mount) return mount;
  const signal = AbortSignal.timeout(ENTRY_TIMEOUT_MS);
  const { hash } = locator;
  // Not the volume's head: bringing back a trashed copy would cost requests, and the block is about to come.
  const present = await mount.store.head(keysOf(hash, mount.prefixLength).data, signal);
  if (present?.md5 === hash) {
    await mount.volume.touch(hash);
    return done('present');
  }
  // What is there, and is not known to be the block, is replaced. What comes there meanwhile was checked by the store.
  const write: WriteHere = async (body, size) => {
    if ((await mount.volume.write(hash, body, { size, replace: present !== null, signal })) === 'written')
      return done('pulled');
    await mount.volume.touch(hash);
    return done('present');
  };
  if (hash === EMPTY_HASH) return write(new Uint8Array(0), 0);
  return fetchInto(mount, write, locator, item.servers, context, signal);
}

/** Stores the block on the entry's mount. */
type WriteHere = (body: ReadableStream<Uint8Array> | Uint8Array, size: number) => Promise<Outcome>;

async function fetchInto(
  { uuid }: Mount,
  write: WriteHere,
  { hash, size }: Locator,
  servers: string[],
  { mounts, hosts, signing, clientOf, clock }: PullContext,
  signal: AbortSignal,
): Promise<Outcome> {
  if (servers.length === 0) return copyFromMount(uuid, write, { hash, size }, mounts, signal);
  const { usable, refused } = pullServers(hash, servers, hosts);
  const problems = [...refused];
  const bare = `${hash}+${size}`;
  for (const server of usable) {
    const expiry = Math.floor(clock() / 1000) + (signing?.ttlSeconds ?? 0);
    const signed = signing === null ? bare : signLocator(bare, PULL_TOKEN, expiry, signing);
    try {
      const store = async (body: ReadableStream<Uint8Array>, length: number) => {
        const stored = await receiveBody(body, length, (sized) => write(sized, length));
        if ('failed' in stored) throw stored.failed;
        return stored.received;
      };
      return await clientOf(server).transfer(signed, store, { signal });
    } catch (error) {
      problems.push(error instanceof Error ? error.message : String(error));
    }
  }
  if (usable.length === 0) return failed('no_source', problems.join('; ') || 'the list names no server');
  return failed('not_delivered', problems.join('; '));
}

/** An entry without servers asks for a copy from another mount of this service: the balancer's way to add one. */
async function copyFromMount(
  uuid: string,
  write: WriteHere,
  { hash, size }: Pick<Locator, 'hash' | 'size'>,
  mounts: Mount[],
  signal: AbortSignal,
): Promise<Outcome> {
  const problems: string[] = [];
  for (const source of mounts.filter((mount) => mount.uuid !== uuid)) {
    try {
      const found = await source.volume.read(hash, { signal });
      if (found === null) continue;
      if (size !== null && found.size !== size) {
        await found.body.cancel();
        problems.push(`${source.uuid} has ${found.size} bytes under this name`);
        continue;
      }
      return await write(found.body, found.size);
    } catch (error) {
      problems.push(`${source.uuid}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  return problems.length === 0
    ? failed('no_source', 'no other mount has the block')
    : failed('not_delivered', problems.join('; '));
}

/** The named mount, or the first writable one in the block's order. */
function destination({ hash }: Locator, uuid: string, mounts: Mount[]): Mount | Outcome {
  const writable = mounts.filter(({ allowWrite }) => allowWrite);
  if (uuid === '') return mountOrder(hash, writable)[0] ?? failed('read_only', 'no mount is writable');
  const named = mounts.find((mount) => mount.uuid === uuid);
  if (named === undefined) return failed('unknown_mount', `no mount ${uuid} here`);
  return named.allowWrite ? named : failed('read_only', `${uuid} is read-only`);
}

function parsed(text: string): Locator | null {
  try {
    const locator = parseLocator(text);
    return locator.size === null || locator.size > MAX_BLOCK_BYTES ? null : locator;
  } catch {
    return null;
  }
}
