import { KeepError } from '../keep/errors.ts';
import type { BucketVolume } from '../storage/bucket-volume.ts';
import type { Mount } from '../storage/mounts.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import type { AdoptedBlocks } from './adopted-blocks.ts';
import { type GatewayConfig, gatewayDevice, mountUuidOf } from './gateway-config.ts';
import type { MapEntry, PlaceMap } from './places.ts';

const HASH = /^[0-9a-f]{32}$/;

/**
 * A gateway as a read-only mount, for indexes and balancing: keep-balance knows nothing of hints and calls a block lost
 * that no mount lists. Its store shows the map as objects that are named by their hashes; nothing is written or trashed.
 */
export function gatewayMount(config: GatewayConfig, map: PlaceMap, blocks: AdoptedBlocks): Mount {
  return {
    uuid: mountUuidOf(config),
    deviceId: gatewayDevice(config),
    allowWrite: false,
    allowTrash: false,
    replication: config.replication,
    storageClasses: { [config.storageClass]: true },
    priority: 0,
    volume: readOnlyVolume(config, map, blocks),
    store: mapStore(config, map, blocks),
    prefixLength: 0,
    raceWindowSeconds: 0,
  };
}

/** All gateways in one, to read from: a block is looked up once, whatever gateways have it. */
export function allGatewaysMount(blocks: AdoptedBlocks, map: Pick<PlaceMap, 'knows'>): Mount {
  const nothing: ObjectStore = {
    get: () => Promise.resolve(null),
    head: () => Promise.resolve(null),
    put: refuse,
    copy: refuse,
    delete: refuse,
    list: () => Promise.resolve({ objects: [], next: null }),
  };
  return {
    uuid: 'gateways',
    deviceId: 'gateways',
    allowWrite: false,
    allowTrash: false,
    replication: 1,
    storageClasses: {},
    priority: 0,
    volume: {
      read: (hash, options) => blocks.read(hash, options),
      head: (hash, signal) => blocks.head(hash, signal),
      mtime: () => Promise.resolve(null),
      write: refuse,
      touch: refuse,
      trash: refuse,
      untrash: refuse,
    },
    // Found in the map a moment ago, because no volume had it.
    knows: (hash) => map.knows(hash),
    store: nothing,
    prefixLength: 0,
    raceWindowSeconds: 0,
  };
}

function mapStore({ uuid }: GatewayConfig, map: PlaceMap, blocks: AdoptedBlocks): ObjectStore {
  return {
    // Of other objects that Keep puts into its buckets there is none.
    get: async (key, options) => (HASH.test(key) ? blocks.read(key, options) : null),
    head: async (key, signal) => (HASH.test(key) ? blocks.head(key, signal) : null),
    put: refuse,
    copy: refuse,
    delete: refuse,
    async list({ prefix, cursor, startAfter = '' }) {
      // Markers and trash, of which it has none.
      if (!/^[0-9a-f]{0,32}$/.test(prefix)) return { objects: [], next: null };
      const after = cursor ?? (startAfter === '' ? '' : lastHashUpTo(startAfter));
      const { entries, next } = await map.page(uuid, prefix, after);
      return { objects: entries.map(objectOf), next };
    },
  };
}

/** Listings start behind a key, which need be no whole hash. */
function lastHashUpTo(text: string): string {
  return text.length >= 32 ? text.slice(0, 32) : decremented(text.padEnd(32, '0'));
}

function decremented(hash: string): string {
  const value = BigInt(`0x${hash}`);
  return value === 0n ? '' : (value - 1n).toString(16).padStart(32, '0');
}

function objectOf({ hash, size, modified }: MapEntry) {
  return { key: hash, size, md5: hash, modified };
}

function readOnlyVolume({ uuid }: GatewayConfig, map: PlaceMap, blocks: AdoptedBlocks): BucketVolume {
  return {
    read: (hash, options) => blocks.read(hash, options),
    head: (hash, signal) => blocks.head(hash, signal),
    async mtime(hash) {
      const { entries } = await map.page(uuid, hash, '');
      const [entry] = entries;
      return entry === undefined ? null : Math.floor(entry.modified / 1000);
    },
    write: refuse,
    touch: refuse,
    trash: refuse,
    untrash: refuse,
  };
}

function refuse(): Promise<never> {
  return Promise.reject(new KeepError('method_not_allowed', { message: 'a gateway is read-only' }));
}
