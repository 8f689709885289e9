import { createBoundedMap } from '../keep/bounded-map.ts';
import { INFIX, isUuid } from '../records/ids.ts';
import { askClusterApi, clusterApiFailed, clusterRecord } from '../services/cluster-api.ts';
import { type S3Credential, type S3Keys, tokenCredential } from './s3-keys.ts';

const TIMEOUT_MS = 20_000;
const MAX_ENTRIES = 1000;
const MAX_BYTES = 1024 * 1024;

/**
 * Key pairs beside a cluster, as its own keep-web has them: a token's UUID, with the token's secret as the secret key.
 * The API server tells it to the root token.
 */
export function createClusterKeys(apiUrl: string, rootToken: string, ttlSeconds: number, now: () => number): S3Keys {
  const known = createBoundedMap<S3Credential>({
    maxEntries: MAX_ENTRIES,
    maxBytes: MAX_BYTES,
    sizeOf: ({ secret, token }) => 2 * (secret.length + token.length),
    now,
  });
  return {
    async credential(accessKey, signal) {
      if (!isUuid(accessKey, INFIX.token)) return tokenCredential(accessKey);
      const cached = known.get(accessKey);
      if (cached !== undefined) return cached;
      const url = `${apiUrl}/arvados/v1/api_client_authorizations/${accessKey}`;
      const response = await askClusterApi(url, rootToken, TIMEOUT_MS, signal);
      if (response.status !== 200) {
        await response.body?.cancel();
        if (response.status < 500) return null;
        throw clusterApiFailed(response);
      }
      const { api_token: secret } = await clusterRecord<{ api_token?: string }>(response);
      if (typeof secret !== 'string' || secret === '') return null;
      const credential = { secret, token: `v2/${accessKey}/${secret}`, carriesToken: false };
      known.set(accessKey, credential, now() + ttlSeconds * 1000);
      return credential;
    },
    pairOf: () => null,
  };
}
