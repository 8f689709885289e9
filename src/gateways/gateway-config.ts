import { deviceId, type R2DriverConfig, type S3DriverConfig } from '../storage/volume-config.ts';

/** One entry of GATEWAYS: a bucket whose objects are read as blocks, and never written. */
export interface GatewayConfig {
  /** UUID of the Keep service that stands for it: `ccccc-bi6l4-…`. Locators name it: `+K@<uuid>`. */
  uuid: string;
  /** Its service type is `gateway:<name>`. */
  name: string;
  /** S3 without keys is read without a signature: a public bucket. */
  driver: R2DriverConfig | S3DriverConfig;
  /** Only objects below it may be adopted; '' is the whole bucket. */
  prefix: string;
  /** The class that its copies count for in balancing, and that adopted collections ask for. */
  storageClass: string;
  /** Copies that one object counts for; at least 1. */
  replication: number;
  /** Role groups whose members may adopt; admins always may. */
  adoptableBy: string[];
  /** Whether an ETag of 32 hex digits is the MD5 of an object that was put in one part. */
  etagIsMd5: boolean;
  /** attested: an object that still has its ETag is what was hashed; always: every read is hashed again. */
  verifyReads: 'attested' | 'always';
}

/** The bucket's name as addresses and messages for admins have it. */
export function bucketName({ driver }: GatewayConfig): string {
  return driver.kind === 'R2' ? driver.bucket || driver.binding : driver.bucket;
}

/** The identity of what it reads, as mounts show it. */
export function gatewayDevice({ uuid, driver, prefix }: GatewayConfig): string {
  return `gateway+${deviceId({ uuid, driver })}/${prefix}`;
}

/** The mount that stands for the gateway in lists and indexes: keep-balance knows mounts, no hints. */
export function mountUuidOf({ uuid }: GatewayConfig): string {
  return uuid.replace('-bi6l4-', '-nyw5e-');
}
