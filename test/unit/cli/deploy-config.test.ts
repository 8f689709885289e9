import { parse as parseToml, stringify } from 'smol-toml';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { convertConfig } from '../../../src/cli/deploy/convert-config.ts';
import { parseConfig } from '../../../src/config/config.ts';

const SECRET = 'x'.repeat(40);
const YAML = `
Clusters:
  zzzzz:
    SystemRootToken: ${SECRET}
    ManagementToken: ${SECRET}m
    API: {MaxConcurrentRequests: 64}
    Services:
      Controller: {ExternalURL: "https://zzzzz.example.org/"}
      WebDAVDownload: {ExternalURL: "https://download.zzzzz.example.org/"}
      Keepstore:
        InternalURLs: {"http://keep0.zzzzz.example.org:25107": {}, "http://keep1.zzzzz.example.org:25107/": {}}
    Collections:
      BlobSigningKey: ${SECRET}k
      BlobSigningTTL: 168h
      BlobTrash: false
      DefaultReplication: 3
      WebDAVPermission: {User: {Download: false}}
    Users: {AnonymousUserToken: anonymous}
    StorageClasses: {default: {Default: true, Priority: 2}, archive: {}}
    RemoteClusters:
      "*": {Proxy: true}
      aaaaa: {Host: aaaaa.example.org, Proxy: true, Insecure: true}
    Volumes:
      zzzzz-nyw5e-000000000000000:
        AccessViaHosts: {"http://keep0.zzzzz.example.org:25107": {}}
        Driver: S3
        Replication: 2
        StorageClasses: {default: true}
        DriverParameters:
          {AccessKeyID: one, SecretAccessKey: first, Endpoint: "", Region: eu-west-1, Bucket: bucket-one, PrefixLength: 3, IndexPageSize: 1000, RaceWindow: 24h}
      zzzzz-nyw5e-000000000000001:
        Driver: S3
        ReadOnly: true
        StorageClasses: {archive: true}
        DriverParameters: {AccessKeyID: two, SecretAccessKey: second, Endpoint: "https://s3.example.org", Bucket: bucket-two, UsePathStyle: true}
      zzzzz-nyw5e-000000000000002:
        Driver: Directory
        DriverParameters: {Root: /mnt}
`;

test('a cluster’s configuration becomes one that the service accepts, with nothing secret in it', () => {
  const { vars, secrets, notes } = convertConfig(parse(YAML));
  const toml = stringify({ vars });
  for (const secret of [SECRET, 'first', 'second', 'anonymous']) expect(toml).not.toContain(secret);
  const result = parseConfig({ ...(parseToml(toml).vars as Record<string, unknown>), ...secrets });
  expect(result).toMatchObject({ ok: true });
  if (!result.ok) return;
  expect(result.config).toMatchObject({
    clusterId: 'zzzzz',
    apiUrl: 'https://zzzzz.example.org',
    blobSigningKey: `${SECRET}k`,
    blobSigningTtlSeconds: 168 * 3600,
    blobTrash: false,
    defaultReplication: 3,
    pullHosts: ['keep0.zzzzz.example.org:25107', 'keep1.zzzzz.example.org:25107'],
    remoteClusters: { aaaaa: { apiUrl: 'https://aaaaa.example.org' } },
    volumes: [
      {
        prefixLength: 3,
        replication: 2,
        raceWindowSeconds: 86_400,
        driver: { bucket: 'bucket-one', accessKeyId: 'one' },
      },
      { readOnly: true, driver: { bucket: 'bucket-two', secretAccessKey: 'second', usePathStyle: true } },
    ],
  });
  expect(notes.join('\n')).toMatch(/000000000000002 \(Directory\) is left out/);
  expect(notes.join('\n')).toMatch(/aaaaa\.Insecure/);
});

test('a file of several clusters wants to be told which', () => {
  const two = { Clusters: { aaaaa: {}, bbbbb: {} } };
  expect(() => convertConfig(two)).toThrow('aaaaa, bbbbb');
  expect(convertConfig(two, 'bbbbb').vars.CLUSTER_ID).toBe('bbbbb');
  expect(() => convertConfig({ nothing: 1 })).toThrow('config.yml');
});
