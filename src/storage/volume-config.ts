/** One entry of VOLUMES, in the cluster config's own words (keep-block-api.md 8). */
export interface VolumeConfig {
  /** 27 characters, `ccccc-nyw5e-…`. */
  uuid: string;
  /** Copies that one write to this volume counts for; at least 1. */
  replication: number;
  /** Class name -> listed as true or false; both count as provided, only priority honours false (T12). */
  storageClasses: Record<string, boolean>;
  readOnly: boolean;
  allowTrashWhenReadOnly: boolean;
  driver: R2DriverConfig | S3DriverConfig;
  /** Hex digits of the hash before the slash in an object's key; 0 for none. */
  prefixLength: number;
  /** Seconds by which a trash may lag behind a write that raced with it (B9). */
  raceWindowSeconds: number;
  /** With a trash lifetime of 0: delete at once, beyond recovery (T54). */
  unsafeDelete: boolean;
}

export interface R2DriverConfig {
  kind: 'R2';
  /** Name of the R2 binding. */
  binding: string;
  /** How real keepstores reach the same bucket over S3; only for `device_id`. Empty when nobody else does. */
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
  accessKeyId: string;
  secretAccessKey: string;
}

/** The backend's identity as keepstore's S3 driver reports it (keep-block-api.md 5.5), so that a shared bucket is recognised. */
export function deviceId({ driver }: Pick<VolumeConfig, 'driver'>): string {
  return driver.bucket === '' && driver.kind === 'R2'
    ? `r2://${driver.binding}`
    : `s3://${driver.endpoint}/${driver.bucket}`;
}
