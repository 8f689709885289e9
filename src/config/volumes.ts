import * as v from 'valibot';
import { parseDuration } from '../keep/duration.ts';
import type { VolumeConfig } from '../storage/volume-config.ts';

const Duration = v.pipe(
  v.string(),
  v.check((text) => {
    try {
      return parseDuration(text) >= 0;
    } catch {
      return false;
    }
  }, 'write a duration such as "24h" or "5m"'),
  v.transform(parseDuration),
);

const Common = {
  PrefixLength: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(32)), 0),
  RaceWindow: v.optional(Duration, '0s'),
  UnsafeDelete: v.optional(v.boolean(), false),
};

/** Scheme and host of an S3 server; '' is AWS. */
export const S3_ENDPOINT = v.optional(
  v.union([
    v.literal(''),
    v.pipe(v.string(), v.regex(/^https?:\/\/[^/@]+\/?$/, 'write scheme and host, such as "https://s3.example.org"')),
  ]),
  '',
);

const R2 = v.strictObject({
  ...Common,
  Binding: v.string('missing: the name of an R2 binding'),
  Endpoint: v.optional(v.string(), ''),
  Bucket: v.optional(v.string(), ''),
});

const S3 = v.strictObject({
  ...Common,
  Endpoint: S3_ENDPOINT,
  Region: v.optional(v.string(), 'us-east-1'),
  Bucket: v.pipe(v.string('missing'), v.minLength(3, 'missing')),
  UsePathStyle: v.optional(v.boolean(), false),
  AccessKeyIDSecret: v.optional(v.string(), 'S3_ACCESS_KEY_ID'),
  SecretAccessKeySecret: v.optional(v.string(), 'S3_SECRET_ACCESS_KEY'),
});

const Volume = v.strictObject({
  Driver: v.picklist(['R2', 'S3'], 'write "R2" or "S3"'),
  DriverParameters: v.optional(v.record(v.string(), v.unknown()), {}),
  Replication: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0)), 0),
  StorageClasses: v.optional(v.record(v.string(), v.boolean()), {}),
  ReadOnly: v.optional(v.boolean(), false),
  AllowTrashWhenReadOnly: v.optional(v.boolean(), false),
  Near: v.optional(v.string()),
});

/** Reads the VOLUMES table; what is wrong goes into `problems`. Volumes come in UUID order. */
export function parseVolumes(table: unknown, env: Record<string, unknown>, problems: string[]): VolumeConfig[] {
  if (!isTable(table)) {
    problems.push('VOLUMES: write one TOML table per volume, named by its UUID');
    return [];
  }
  return Object.entries(table)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([uuid, entry]) => parseVolume(uuid, entry, env, problems) ?? []);
}

/** What is wrong with one entry of a table, as problems that name it. @param entry such as `VOLUMES.xxxxx-nyw5e-…` */
export function reporter(entry: string, problems: string[]) {
  return (issues: readonly v.BaseIssue<unknown>[], prefix = '') => {
    for (const issue of issues) problems.push(`${entry}.${prefix}${v.getDotPath(issue) ?? ''}: ${issue.message}`);
    return null;
  };
}

export function isTable(entry: unknown): entry is Record<string, unknown> {
  return typeof entry === 'object' && entry !== null && !Array.isArray(entry);
}

function parseVolume(
  uuid: string,
  entry: unknown,
  env: Record<string, unknown>,
  problems: string[],
): VolumeConfig | null {
  const report = reporter(`VOLUMES.${uuid}`, problems);
  if (!/^[a-z0-9]{5}-nyw5e-[a-z0-9]{15}$/.test(uuid))
    problems.push(`VOLUMES.${uuid}: the name is not a volume UUID (ccccc-nyw5e-…)`);
  // A key that is there without a value is told its own advice; one that is absent would only be "invalid".
  const volume = v.safeParse(Volume, isTable(entry) ? { Driver: undefined, ...entry } : entry);
  if (!volume.success) return report(volume.issues);
  const { Driver, DriverParameters, Replication, StorageClasses, ReadOnly, AllowTrashWhenReadOnly, Near } =
    volume.output;
  const common = {
    uuid,
    replication: Math.max(1, Replication),
    storageClasses: Object.keys(StorageClasses).length === 0 ? { default: true } : StorageClasses,
    readOnly: ReadOnly,
    allowTrashWhenReadOnly: AllowTrashWhenReadOnly,
    near: Near ?? null,
  };
  if (Driver === 'R2') {
    const parameters = v.safeParse(R2, { Binding: undefined, ...DriverParameters });
    if (!parameters.success) return report(parameters.issues, 'DriverParameters.');
    const p = parameters.output;
    if (typeof env[p.Binding] !== 'object') {
      problems.push(
        `VOLUMES.${uuid}.DriverParameters.Binding: add an [[r2_buckets]] with binding = "${p.Binding}" to wrangler.toml`,
      );
    }
    return {
      ...common,
      ...limitsOf(p),
      driver: { kind: 'R2', binding: p.Binding, endpoint: p.Endpoint, bucket: p.Bucket },
    };
  }
  const parameters = v.safeParse(S3, { Bucket: undefined, ...DriverParameters });
  if (!parameters.success) return report(parameters.issues, 'DriverParameters.');
  const p = parameters.output;
  const accessKeyId = secretOf(env, p.AccessKeyIDSecret, `volume ${uuid}`, problems);
  const secretAccessKey = secretOf(env, p.SecretAccessKeySecret, `volume ${uuid}`, problems);
  return {
    ...common,
    ...limitsOf(p),
    driver: {
      kind: 'S3',
      endpoint: p.Endpoint,
      region: p.Region,
      bucket: p.Bucket,
      usePathStyle: p.UsePathStyle,
      accessKeyId,
      secretAccessKey,
    },
  };
}

function limitsOf(p: { PrefixLength: number; RaceWindow: number; UnsafeDelete: boolean }) {
  return { prefixLength: p.PrefixLength, raceWindowSeconds: p.RaceWindow, unsafeDelete: p.UnsafeDelete };
}

/** @param owner what needs the secret, such as `volume xxxxx-nyw5e-…` */
export function secretOf(env: Record<string, unknown>, name: string, owner: string, problems: string[]): string {
  const value = env[name];
  if (typeof value === 'string' && value !== '') return value;
  problems.push(
    `${name}: missing: ${owner} needs it; set it with \`wrangler secret put\`, or in .dev.vars for local runs`,
  );
  return '';
}
