import type { BodyDestination } from '../blocks/body-blocks.ts';
import { writeBlock } from '../blocks/write-block.ts';
import type { Config } from '../config/config.ts';
import type { WritePlace, Writing } from '../files/writing.ts';
import type { RequestContext } from '../http/context.ts';
import { signLocator } from '../keep/signature.ts';
import type { Mount } from '../storage/mounts.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import type { KeepProxy } from '../surfaces/keepproxy/proxy.ts';
import { forwardBlock } from '../surfaces/keepproxy/put.ts';
import type { AccountDependencies } from './compose-accounts.ts';
import { composeWriteDigests } from './compose-reads.ts';

/**
 * Where the blocks of files go that are written: to the volumes; without any, through the cluster's keepstores. Beside a
 * cluster locators are signed for the writer, so that its API server takes them.
 */
export function createBlockWriting(
  config: Config,
  mounts: Mount[],
  proxy: KeepProxy | null,
  staging: ObjectStore | null,
  recordUpload: AccountDependencies['recordUpload'],
): Writing['destination'] {
  const aside = mounts.find((mount) => mount.allowWrite)?.store ?? staging ?? undefined;
  const storing = proxy === null ? inVolumes(config, mounts) : throughKeepstores(proxy);
  return (context, client, place): BodyDestination => ({
    aside,
    async storeBlock(block) {
      const locator = await storing(context, client.token, place, block);
      recordUpload(context, block.hash, block.size, client.user.uuid);
      return locator;
    },
  });
}

type Storing = (
  context: RequestContext,
  token: string,
  place: WritePlace,
  block: { hash: string; size: number; body: ReadableStream<Uint8Array> },
) => Promise<string>;

function inVolumes(config: Config, mounts: Mount[]): Storing {
  const { apiUrl, blobSigningKey: key, blobSigningTtlSeconds: ttlSeconds } = config;
  const digests = composeWriteDigests(config);
  return async ({ signal, now }, token, { replicas, storageClasses }, { hash, size, body }) => {
    await writeBlock(mounts, { hash, size, body, desired: replicas, storageClasses, signal, digests });
    const locator = `${hash}+${size}`;
    return apiUrl === null ? locator : signLocator(locator, token, Math.floor(now) + ttlSeconds, { key, ttlSeconds });
  };
}

function throughKeepstores(proxy: KeepProxy): Storing {
  return async ({ requestId, now, signal }, token, place, block) =>
    (await forwardBlock(proxy, { token, requestId, now, signal }, block, place)).locator;
}
