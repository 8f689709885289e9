import { waitUntil } from 'cloudflare:workers';
import type { Config } from '../config/config.ts';
import type { Env } from '../config/env.ts';
import { createAdoptedBlocks, type Gateway } from '../gateways/adopted-blocks.ts';
import type { AdoptionHandle } from '../gateways/adoption.ts';
import type { GatewayBucket } from '../gateways/bucket.ts';
import type { GatewayConfig } from '../gateways/gateway-config.ts';
import { allGatewaysMount, gatewayMount } from '../gateways/gateway-mount.ts';
import { createPlaceMap, type PlaceShardHandle } from '../gateways/place-map.ts';
import type { PlaceMap } from '../gateways/places.ts';
import { createR2GatewayBucket } from '../gateways/r2-bucket.ts';
import { createS3GatewayBucket } from '../gateways/s3-bucket.ts';
import type { Mount } from '../storage/mounts.ts';

export interface Gateways {
  gateways: Gateway[];
  map: PlaceMap;
  /** All gateways as one place to read from: a block is looked up once. */
  all: Mount;
  /** Each gateway as a read-only mount, for indexes, balancing and pulls. */
  mounts: Mount[];
  adoption(id: string): AdoptionHandle;
}

/** Null: no gateway is configured. */
export function composeGateways(config: Config, env: Env): Gateways | null {
  const { PLACES, ADOPTION } = env;
  if (config.gateways.length === 0 || PLACES === undefined || ADOPTION === undefined) return null;
  const map = createPlaceMap((shard) => PLACES.getByName(shard) as unknown as PlaceShardHandle, Date.now);
  const gateways = config.gateways.map((gateway) => ({ config: gateway, bucket: bucketOf(gateway, env) }));
  const options = { map, gateways, later: waitUntil };
  return {
    gateways,
    map,
    all: allGatewaysMount(createAdoptedBlocks(options), map),
    mounts: config.gateways.map((gateway) => gatewayMount(gateway, map, createAdoptedBlocks(options, gateway.uuid))),
    adoption: (id) => ADOPTION.getByName(id) as unknown as AdoptionHandle,
  };
}

function bucketOf({ driver, etagIsMd5 }: GatewayConfig, env: Env): GatewayBucket {
  if (driver.kind === 'R2') return createR2GatewayBucket(env[driver.binding] as R2Bucket);
  return createS3GatewayBucket(driver, etagIsMd5);
}
