/** One entry of VOLUMES, with the cluster config's field names. */
export interface VolumeConfig {
  /** 27 characters, `ccccc-nyw5e-…`. */
  uuid: string;
  /** Copies that one write to this volume counts for; at least 1. */
  replication: number;
  /** Class name -> true or false. Both count as provided; false only takes the class out of the mount's priority. */
  storageClasses: Record<string, boolean>;
  readOnly: boolean;
  allowTrashWhenReadOnly: boolean;
  /** UUID of a nearer volume, which gets a copy of what is read from this one; null for none. */
  near: string | null;
  driver: R2DriverConfig | S3DriverConfig;
  /** Hex digits of the hash before the slash in an object's key; 0 for none. */
  prefixLength: number;
  /** Seconds by which a trash may lag behind a write that raced with it. */
  raceWindowSeconds: number;
  /** With a trash lifetime of 0: delete at once, beyond recovery. */
  unsafeDelete: boolean;
}

export interface R2DriverConfig {
  kind: 'R2';
  /** Name of the R2 binding. */
  binding: string;
  /** How real keepstores reach the same bucket over S3; only for `device_id`. Empty when no keepstore shares it. */
  endpoint: string;
  bucket: string;
}

export interface S3DriverConfig {
  kind: 'S3';
  /** Scheme and host as configured; empty means AWS's endpoint for the region. */
  endpoint: string;
  region: string;
  bucket: string;
  usePathStyle: boolean;
  /** Empty: requests are not signed. */
  accessKeyId: string;
  secretAccessKey: string;
}

/**
 * The backend's identity, in the form that keepstore's S3 driver reports, so that keep-balance recognises a shared bucket.
 * A Worker does not know the name of a bound bucket: without `Bucket` the volume's UUID stands for it. (The binding's name
 * would be the same in every deployment, and keep-balance stops when one device has two UUIDs.)
 */
export function deviceId({ uuid, driver }: Pick<VolumeConfig, 'uuid' | 'driver'>): string {
  return driver.kind === 'R2' && driver.bucket === '' ? `r2://${uuid}` : `s3://${driver.endpoint}/${driver.bucket}`;
}
