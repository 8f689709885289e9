import { isKeepError, KeepError } from '../keep/errors.ts';
import type { GetOptions, ObjectInfo, StoredObject } from '../storage/object-store.ts';
import type { GatewayBucket, Opened } from './bucket.ts';
import { bucketName, type GatewayConfig } from './gateway-config.ts';
import type { Place, PlaceMap } from './places.ts';

/** A configured gateway and its bucket. */
export interface Gateway {
  config: GatewayConfig;
  bucket: GatewayBucket;
}

/** Blocks that lie in gateways' buckets, read by hash alone. */
export interface AdoptedBlocks {
  /**
   * A block or a range of it, from the first place that still has it; null when no gateway has it.
   * @throws KeepError bad_gateway when its objects have changed or are gone; unavailable when a bucket cannot be read
   */
  read(hash: string, options?: GetOptions): Promise<StoredObject | null>;
  head(hash: string, signal?: AbortSignal): Promise<ObjectInfo | null>;
}

export interface AdoptedBlocksOptions {
  map: Pick<PlaceMap, 'find' | 'mark'>;
  gateways: readonly Gateway[];
  /** Takes work that may outlive the request. */
  later: (work: Promise<unknown>) => void;
}

interface Failed {
  gateway: string;
  /** For all readers: neither key nor bucket. */
  problem: string;
  /** For admins. */
  details: string;
  mayPass: boolean;
}

/** @param only the UUID of a gateway: places of others do not count */
export function createAdoptedBlocks(
  { map, gateways, later }: AdoptedBlocksOptions,
  only: string | null = null,
): AdoptedBlocks {
  const byUuid = new Map(gateways.map((gateway) => [gateway.config.uuid, gateway]));

  async function onFirstPlace<Result>(
    hash: string,
    attempt: (gateway: Gateway, place: Place) => Promise<Result | Exclude<Opened, { state: 'open' }>['state'] | Failed>,
  ): Promise<Result | null> {
    const places = (await map.find(hash)).filter(({ gateway }) => only === null || gateway === only);
    const failures: Failed[] = [];
    for (const place of places) {
      const gateway = byUuid.get(place.gateway);
      if (gateway === undefined) {
        const problem = 'this gateway is no longer configured';
        failures.push({ gateway: place.gateway, problem, details: problem, mayPass: false });
        continue;
      }
      const outcome = await attempt(gateway, place).catch((error: unknown) => {
        if (!isKeepError(error, 'unavailable')) throw error;
        return failed(gateway, place, 'its bucket cannot be read at the moment', true);
      });
      if (outcome === 'changed' || outcome === 'gone') {
        const { problem, details } = await explained(gateway, place);
        later(map.mark({ ...place, hash }, problem).catch(() => undefined));
        failures.push({ gateway: gateway.config.name, problem, details, mayPass: false });
      } else if (isFailed(outcome)) failures.push(outcome);
      else {
        if (place.isMarked) later(map.mark({ ...place, hash }, null).catch(() => undefined));
        return outcome as Result;
      }
    }
    if (failures.length === 0) return null;
    throw unreadable(hash, failures);
  }

  const infoOf = (hash: string, { config }: Gateway, { length }: Place): ObjectInfo => ({
    key: hash,
    size: length,
    // An object with the ETag under which it was hashed is what was hashed.
    md5: config.verifyReads === 'attested' ? hash : null,
    modified: 0,
  });

  return {
    read: (hash, { range, signal } = {}) =>
      onFirstPlace<StoredObject>(hash, async (gateway, place) => {
        const { offset, length } = range ?? { offset: 0, length: place.length };
        const wanted = { etag: place.etag, offset: place.start + offset, length, size: place.objectSize };
        const opened = await gateway.bucket.open(place.key, wanted, signal);
        if (opened.state === 'open') return { ...infoOf(hash, gateway, place), body: opened.body };
        if (opened.state === 'refused')
          return failed(gateway, place, `its bucket refuses to hand out the object (${opened.reason})`, false);
        return opened.state;
      }),

    head: (hash, signal) =>
      onFirstPlace<ObjectInfo>(hash, async (gateway, place) => {
        const found = await gateway.bucket.stat(place.key, signal);
        if (found === null) return 'gone';
        if (found.etag !== place.etag || found.size !== place.objectSize) return 'changed';
        return infoOf(hash, gateway, place);
      }),
  };
}

/** Looks once more to say what became of the object. */
async function explained({ config, bucket }: Gateway, place: Place): Promise<{ problem: string; details: string }> {
  const now = await bucket.stat(place.key).catch(() => undefined);
  const problem =
    now === null
      ? 'the object was deleted after it was adopted'
      : now === undefined || now.size === place.objectSize
        ? 'the object was overwritten after it was adopted'
        : `the object was overwritten after it was adopted: it had ${place.objectSize} bytes and has ${now.size}`;
  return { problem, details: `${problem} (${addressOf(config, place)})` };
}

function failed({ config }: Gateway, place: Place, problem: string, mayPass: boolean): Failed {
  return { gateway: config.name, problem, details: `${problem} (${addressOf(config, place)})`, mayPass };
}

function isFailed(outcome: unknown): outcome is Failed {
  return typeof outcome === 'object' && outcome !== null && 'mayPass' in outcome;
}

/** Keys and buckets are for admins: who may read a collection learns what happened to it, and no more. */
function unreadable(hash: string, failures: Failed[]): KeepError {
  const sentence = (pick: (failure: Failed) => string) =>
    `block ${hash} lies in a bucket that is read through a gateway, and cannot be read: ${failures
      .map((failure) => `${failure.gateway}: ${pick(failure)}`)
      .join('; ')}`;
  const mayPass = failures.some((failure) => failure.mayPass);
  const advice = mayPass ? '' : '. An admin can adopt it again: keep-edge adopt';
  return new KeepError(mayPass ? 'unavailable' : 'bad_gateway', {
    message: sentence(({ problem }) => problem) + advice,
    details: sentence(({ details }) => details) + advice,
  });
}

function addressOf(config: GatewayConfig, { key, start }: Place): string {
  return `${config.driver.kind === 'R2' ? 'r2' : 's3'}://${bucketName(config)}/${key}${start === 0 ? '' : ` at byte ${start}`}`;
}
