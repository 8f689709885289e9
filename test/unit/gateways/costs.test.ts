import { expect, test } from 'vitest';
import { NO_ADOPTION_COUNTS } from '../../../src/gateways/adoption.ts';
import { estimateOf } from '../../../src/gateways/costs.ts';
import type { GatewayConfig } from '../../../src/gateways/gateway-config.ts';

const aws: GatewayConfig = {
  uuid: 'xedge-bi6l4-archive00000000',
  name: 'archive',
  driver: {
    kind: 'S3',
    endpoint: '',
    region: 'us-east-1',
    bucket: 'b',
    usePathStyle: false,
    accessKeyId: '',
    secretAccessKey: '',
  },
  prefix: '',
  storageClass: 'default',
  replication: 2,
  adoptableBy: [],
  etagIsMd5: true,
  verifyReads: 'attested',
};
const counts = {
  ...NO_ADOPTION_COUNTS,
  lists: 1000,
  askedObjects: 1e6,
  readBytes: 1e12,
  readObjects: 1000,
  fresh: 1e6 + 1000,
};

test('reading a terabyte out of AWS is most of the cost, and nothing beside the data', () => {
  const here = estimateOf(counts, aws, 'service');
  expect(here.dollars.transfer).toBe(90);
  expect(here.dollars.requests).toBeCloseTo(5.4e-3 + 0.4, 1);
  expect(estimateOf(counts, aws, 'client').dollars.transfer).toBe(0);
});

test('the prices of other servers are not known; R2 takes nothing for transfer', () => {
  const other = { ...aws, driver: { ...aws.driver, endpoint: 'https://s3.example.org' } } as GatewayConfig;
  expect(estimateOf(counts, other, 'service')).toMatchObject({
    pricesKnown: false,
    dollars: { requests: 0, transfer: 0 },
  });
  const r2: GatewayConfig = { ...aws, driver: { kind: 'R2', binding: 'B', endpoint: '', bucket: '' } };
  expect(estimateOf(counts, r2, 'service')).toMatchObject({ pricesKnown: true, dollars: { transfer: 0 } });
});
