import { createS3Bucket, type S3Bucket, s3Secrets, s3Volume } from './s3.ts';
import type { HandBucket, ServiceOptions, TestService } from './service.ts';

/** Volumes as the tests lay them out, and hands on the buckets behind them. */
export const R2_VOLUME = 'xedge-nyw5e-000000000000001';
export const R2_ARCHIVE = 'xedge-nyw5e-000000000000002';
export const S3_VOLUME = 'xedge-nyw5e-000000000000003';

export function r2Volume(
  binding: string,
  fields: Record<string, unknown> = {},
  parameters: Record<string, unknown> = {},
): Record<string, unknown> {
  return {
    Driver: 'R2',
    Replication: 1,
    ...fields,
    DriverParameters: { Binding: binding, PrefixLength: 3, ...parameters },
  };
}

export interface Layout {
  name: string;
  needsS3: boolean;
  /** Makes the buckets, and tells how to start a service on them. */
  prepare(): Promise<{ options: ServiceOptions; bucket: (service: TestService) => HandBucket | S3Bucket }>;
}

const CLASSES = { STORAGE_CLASSES: { default: { Default: true }, archive: {} } };

/** The four layouts of volumes that a service must handle, each with the bucket that an ordinary write ends up in. */
export const LAYOUTS: Layout[] = [
  {
    name: 'one R2 volume',
    needsS3: false,
    prepare: async () => ({
      options: { vars: { VOLUMES: { [R2_VOLUME]: r2Volume('BLOCKS') } } },
      bucket: (service) => service.r2('BLOCKS'),
    }),
  },
  {
    name: 'two R2 volumes of different classes',
    needsS3: false,
    prepare: async () => ({
      options: {
        r2: ['ARCHIVE'],
        vars: {
          ...CLASSES,
          VOLUMES: {
            [R2_VOLUME]: r2Volume('BLOCKS', { StorageClasses: { default: true } }),
            [R2_ARCHIVE]: r2Volume('ARCHIVE', { StorageClasses: { archive: true } }),
          },
        },
      },
      bucket: (service) => service.r2('BLOCKS'),
    }),
  },
  {
    name: 'R2 plus S3',
    needsS3: true,
    prepare: async () => {
      const bucket = await createS3Bucket();
      return {
        options: {
          vars: {
            ...s3Secrets(bucket),
            ...CLASSES,
            VOLUMES: {
              [R2_VOLUME]: r2Volume('BLOCKS', { StorageClasses: { default: true } }),
              [S3_VOLUME]: { ...s3Volume(bucket), StorageClasses: { archive: true } },
            },
          },
        },
        bucket: (service) => service.r2('BLOCKS'),
      };
    },
  },
  {
    name: 'S3 alone',
    needsS3: true,
    prepare: async () => {
      const bucket = await createS3Bucket();
      return {
        options: { vars: { ...s3Secrets(bucket), VOLUMES: { [S3_VOLUME]: s3Volume(bucket) } } },
        bucket: () => bucket,
      };
    },
  },
];

/** Where a block's data lies in a volume with PrefixLength 3. */
export function dataKey(hash: string): string {
  return `${hash.slice(0, 3)}/${hash}`;
}
