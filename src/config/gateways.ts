import * as v from 'valibot';
import type { GatewayConfig } from '../gateways/gateway-config.ts';
import { isTable, reporter, S3_ENDPOINT, secretOf } from './volumes.ts';

const Prefix = v.optional(
  v.pipe(v.string(), v.regex(/^(?!\/)/, 'write the beginning of the keys, which have no slash at their start')),
  '',
);

const R2 = v.strictObject({
  Binding: v.string('missing: the name of an R2 binding'),
  Bucket: v.optional(v.string(), ''),
  Prefix,
});

const S3 = v.strictObject({
  Endpoint: S3_ENDPOINT,
  Region: v.optional(v.string(), 'us-east-1'),
  Bucket: v.pipe(v.string('missing'), v.minLength(3, 'missing')),
  Prefix,
  UsePathStyle: v.optional(v.boolean(), false),
  /** Both '' for a public bucket. */
  AccessKeyIDSecret: v.optional(v.string(), ''),
  SecretAccessKeySecret: v.optional(v.string(), ''),
});

const Gateway = v.strictObject({
  Name: v.pipe(
    v.string('missing: a short name such as "archive", which clients and logs show'),
    v.regex(/^[a-z0-9][a-z0-9._-]{0,62}$/, 'write lowercase letters, digits, dots and dashes'),
  ),
  Driver: v.picklist(['R2', 'S3'], 'write "R2" or "S3"'),
  DriverParameters: v.optional(v.record(v.string(), v.unknown()), {}),
  StorageClass: v.optional(v.pipe(v.string(), v.minLength(1)), 'default'),
  Replication: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1)), 2),
  AdoptableBy: v.optional(
    v.array(v.pipe(v.string(), v.regex(/^[a-z0-9]{5}-j7d0g-[a-z0-9]{15}$/, 'write UUIDs of groups (ccccc-j7d0g-…)'))),
    [],
  ),
  ETagIsMD5: v.optional(v.boolean(), true),
  VerifyReads: v.optional(v.picklist(['attested', 'always'], 'write "attested" or "always"'), 'attested'),
});

/** Reads the GATEWAYS table; what is wrong goes into `problems`. In UUID order. */
export function parseGateways(
  table: unknown,
  env: Record<string, unknown>,
  clusterId: unknown,
  problems: string[],
): GatewayConfig[] {
  if (!isTable(table)) {
    problems.push('GATEWAYS: write one TOML table per gateway, named by the UUID of its service');
    return [];
  }
  const entries = Object.entries(table).sort(([a], [b]) => (a < b ? -1 : 1));
  const gateways = entries.flatMap(([uuid, entry]) => parseGateway(uuid, entry, env, problems) ?? []);
  for (const { uuid } of gateways)
    if (!uuid.startsWith(`${String(clusterId)}-`))
      problems.push(`GATEWAYS.${uuid}: the UUID begins with another cluster's id than CLUSTER_ID`);
  if (gateways.length > 0)
    for (const binding of ['PLACES', 'ADOPTION'])
      if (typeof env[binding] !== 'object' && typeof env[binding] !== 'function')
        problems.push(`${binding}: missing: gateways need this Durable Object: bind it as wrangler.toml does`);
  return gateways;
}

function parseGateway(
  uuid: string,
  entry: unknown,
  env: Record<string, unknown>,
  problems: string[],
): GatewayConfig | null {
  const report = reporter(`GATEWAYS.${uuid}`, problems);
  if (!/^[a-z0-9]{5}-bi6l4-[a-z0-9]{15}$/.test(uuid))
    problems.push(`GATEWAYS.${uuid}: the name is not the UUID of a Keep service (ccccc-bi6l4-…)`);
  const gateway = v.safeParse(Gateway, isTable(entry) ? { Name: undefined, Driver: undefined, ...entry } : entry);
  if (!gateway.success) return report(gateway.issues);
  const g = gateway.output;
  const common = {
    uuid,
    name: g.Name,
    storageClass: g.StorageClass,
    replication: g.Replication,
    adoptableBy: g.AdoptableBy,
    etagIsMd5: g.ETagIsMD5,
    verifyReads: g.VerifyReads,
  };
  if (g.Driver === 'R2') {
    const parameters = v.safeParse(R2, { Binding: undefined, ...g.DriverParameters });
    if (!parameters.success) return report(parameters.issues, 'DriverParameters.');
    const { Binding, Bucket, Prefix: prefix } = parameters.output;
    if (typeof env[Binding] !== 'object')
      problems.push(
        `GATEWAYS.${uuid}.DriverParameters.Binding: add an [[r2_buckets]] with binding = "${Binding}" to wrangler.toml`,
      );
    return { ...common, prefix, driver: { kind: 'R2', binding: Binding, endpoint: '', bucket: Bucket } };
  }
  const parameters = v.safeParse(S3, { Bucket: undefined, ...g.DriverParameters });
  if (!parameters.success) return report(parameters.issues, 'DriverParameters.');
  const p = parameters.output;
  const isPublic = p.AccessKeyIDSecret === '' && p.SecretAccessKeySecret === '';
  const secret = (name: string, key: string) => {
    if (isPublic) return '';
    if (name !== '') return secretOf(env, name, `gateway ${uuid}`, problems);
    problems.push(
      `GATEWAYS.${uuid}.DriverParameters.${key}: missing: name both secrets, or neither for a public bucket`,
    );
    return '';
  };
  return {
    ...common,
    prefix: p.Prefix,
    driver: {
      kind: 'S3',
      endpoint: p.Endpoint,
      region: p.Region,
      bucket: p.Bucket,
      usePathStyle: p.UsePathStyle,
      accessKeyId: secret(p.AccessKeyIDSecret, 'AccessKeyIDSecret'),
      secretAccessKey: secret(p.SecretAccessKeySecret, 'SecretAccessKeySecret'),
    },
  };
}
