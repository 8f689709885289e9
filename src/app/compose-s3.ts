import type { Config } from '../config/config.ts';
import type { KeepWebDependencies } from '../surfaces/keep-web/dependencies.ts';
import type { S3Dependencies } from '../surfaces/s3/dependencies.ts';
import type { AccountDependencies } from './compose-accounts.ts';

/** The dependencies of the S3 surface, which shows the same files as downloads do. Null without a source of collections. */
export function composeS3(
  config: Config,
  { authority, s3Keys: keys }: AccountDependencies,
  downloads: KeepWebDependencies | null,
): S3Dependencies | null {
  if (downloads === null) return null;
  const { clusterId, s3Endpoint } = config;
  const { anonymousToken, downloadHost } = downloads.downloads;
  const endpointHost = s3Endpoint === null ? null : new URL(s3Endpoint).host;
  return { ...downloads, authority, keys, s3: { clusterId, anonymousToken, downloadHost, endpointHost } };
}
