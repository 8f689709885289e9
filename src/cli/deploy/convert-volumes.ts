type Table = Record<string, unknown>;

/** Parameters that mean the same here. */
const S3_PARAMETERS = ['Endpoint', 'Region', 'Bucket', 'PrefixLength', 'UsePathStyle', 'RaceWindow', 'UnsafeDelete'];
const COMMON = ['Replication', 'StorageClasses', 'ReadOnly', 'AllowTrashWhenReadOnly'];

/** The S3 volumes of a cluster as VOLUMES tables. Their keys go into `secrets`, one pair for each account. */
export function convertVolumes(volumes: Table, secrets: Record<string, string>, notes: string[]): Table {
  const converted: Table = {};
  const accounts = new Map<string, { id: string; key: string }>();
  for (const [uuid, volume] of Object.entries(volumes) as [string, Table][]) {
    if (volume.Driver !== 'S3') {
      notes.push(`Volume ${uuid} (${String(volume.Driver)}) is left out: only buckets can be reached from here.`);
      continue;
    }
    const parameters = (volume.DriverParameters ?? {}) as Table;
    const names = secretNames(parameters, accounts, secrets);
    if (names === null)
      notes.push(
        `Volume ${uuid} has no access key (an IAM role?): make one and set S3_ACCESS_KEY_ID and S3_SECRET_ACCESS_KEY.`,
      );
    if (!parameters.Region && !parameters.Endpoint)
      notes.push(`Volume ${uuid} has neither Region nor Endpoint: us-east-1 is assumed.`);
    const hosts = Object.values((volume.AccessViaHosts ?? {}) as Table) as ({ ReadOnly?: boolean } | null)[];
    if (hosts.length > 0 && hosts.every((host) => host?.ReadOnly === true) && volume.ReadOnly !== true)
      notes.push(
        `Volume ${uuid} is read-only for every keepstore (AccessViaHosts), but will be writable here: set ReadOnly if that is not meant.`,
      );
    converted[uuid] = {
      Driver: 'S3',
      ...pick(volume, COMMON),
      DriverParameters: {
        ...pick(parameters, S3_PARAMETERS),
        ...(names === null || names.id === 'S3_ACCESS_KEY_ID'
          ? {}
          : { AccessKeyIDSecret: names.id, SecretAccessKeySecret: names.key }),
      },
    };
  }
  return converted;
}

/** Names under which an account's keys are kept; null when the volume has none. */
function secretNames(
  { AccessKeyID, SecretAccessKey }: Table,
  accounts: Map<string, { id: string; key: string }>,
  secrets: Record<string, string>,
): { id: string; key: string } | null {
  if (typeof AccessKeyID !== 'string' || typeof SecretAccessKey !== 'string' || AccessKeyID === '') return null;
  const account = `${AccessKeyID}\n${SecretAccessKey}`;
  let names = accounts.get(account);
  if (names === undefined) {
    const suffix = accounts.size === 0 ? '' : `_${accounts.size + 1}`;
    names = { id: `S3_ACCESS_KEY_ID${suffix}`, key: `S3_SECRET_ACCESS_KEY${suffix}` };
    accounts.set(account, names);
    secrets[names.id] = AccessKeyID;
    secrets[names.key] = SecretAccessKey;
  }
  return names;
}

/** The named keys, without empty texts and tables: these mean the same as absent. */
function pick(table: Table, names: readonly string[]): Table {
  return Object.fromEntries(
    names.flatMap((name) => {
      const value = table[name];
      const isEmpty = value === undefined || value === null || value === '' || Object.keys(Object(value)).length === 0;
      return isEmpty && typeof value !== 'number' && typeof value !== 'boolean' ? [] : [[name, value]];
    }),
  );
}
