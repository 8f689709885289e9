import { describe, expect, test } from 'vitest';
import { parseLocator } from '../../../src/keep/locator.ts';
import type { KeepService } from '../../../src/services/keep-service.ts';
import { serviceFromRecord, servicesFromUrls } from '../../../src/services/keep-service.ts';
import { readOrder, writeOrder } from '../../../src/services/probe-order.ts';
import vectors from '../../vectors/probe-orders.json' with { type: 'json' };

const service = (tail: string, changes: Partial<KeepService> = {}): KeepService => ({
  uuid: `zzzzz-bi6l4-${tail.padStart(15, '0')}`,
  url: `http://${tail}`,
  type: 'disk',
  readOnly: false,
  ...changes,
});
const SIXTEEN = Array.from({ length: 16 }, (_, index) => service(index.toString(16)));
const spell = (targets: { url: string }[]) => targets.map(({ url }) => url.slice('http://'.length)).join('');
const nowhere = () => null;

describe('The order in which services are asked', () => {
  test.each(vectors.reference)('is the reference one for the block $name', ({ hash, order }) => {
    expect(spell(readOrder(parseLocator(`${hash}+3`), SIXTEEN, 't', nowhere))).toBe(order);
    expect(spell(writeOrder(hash, SIXTEEN))).toBe(order);
  });

  test.each(vectors.hints)('with hints $hints: $why', ({ hints, first }) => {
    const { hash, order } = vectors.reference[0]!;
    const rest = [...order].filter((tail) => !first.includes(tail)).join('');
    const locator = { hash, size: 3, hints };
    expect(spell(readOrder(locator, SIXTEEN, 't', nowhere))).toBe(first + rest);
  });

  test('a +K@ cluster hint comes first, with the token for that cluster; writes do not care', () => {
    const { hash, order } = vectors.reference[0]!;
    const hinted = (clusterId: string) => ({ url: `https://keep.${clusterId}.example`, token: `for ${clusterId}` });
    const targets = readOrder({ hash, size: 3, hints: ['K@abcde'] }, SIXTEEN, 't', hinted);
    expect(targets[0]).toEqual({ url: 'https://keep.abcde.example', token: 'for abcde' });
    expect(spell(targets.slice(1))).toBe(order);
    expect(targets.slice(1).every(({ token }) => token === 't')).toBe(true);
  });

  test('the weight is that of the last 15 characters, also of a uuid of 28', () => {
    const { hash } = vectors.reference[0]!;
    const long = SIXTEEN.map((one) => ({ ...one, uuid: one.uuid.replace('bi6l4-', 'bi6l4-f') }));
    expect(spell(writeOrder(hash, long))).toBe(spell(writeOrder(hash, SIXTEEN)));
  });

  test('gateways serve only whom a locator names, and read-only services are not written to', () => {
    const services = [service('1', { type: 'gateway:s3' }), service('2', { readOnly: true }), service('3')];
    const { hash } = vectors.reference[0]!;
    expect(
      spell(readOrder({ hash, size: 3, hints: [] }, services, 't', nowhere))
        .split('')
        .sort(),
    ).toEqual(['2', '3']);
    const named = readOrder({ hash, size: 3, hints: [`K@${services[0]!.uuid}`] }, services, 't', nowhere);
    expect(spell(named)[0]).toBe('1');
    expect(spell(writeOrder(hash, services))).toBe('3');
  });

  test('two records of one address are one service, which cannot store two copies', () => {
    const { hash } = vectors.reference[0]!;
    expect(writeOrder(hash, [service('1'), { ...service('2'), url: 'http://1' }])).toEqual([service('1')]);
  });

  test('a service that is named and known is asked once', () => {
    const { hash } = vectors.reference[0]!;
    const twice = { hash, size: 3, hints: [`K@${SIXTEEN[4]!.uuid}`, `K@${SIXTEEN[4]!.uuid}`] };
    expect(readOrder(twice, SIXTEEN, 't', nowhere)).toHaveLength(16);
  });
});

describe('A service record', () => {
  test.each([
    [{ service_host: 'keep0', service_port: 25107, service_ssl_flag: false }, 'http://keep0:25107'],
    [
      { service_host: 'keep.zzzzz.example', service_port: 443, service_ssl_flag: true },
      'https://keep.zzzzz.example:443',
    ],
    [{ service_host: '100::1', service_port: 10, service_ssl_flag: true }, 'https://[100::1]:10'],
    [{ service_host: '[100::1]', service_port: 10, service_ssl_flag: true }, 'https://[100::1]:10'],
  ])('%o is at %s', (record, url) => {
    expect(serviceFromRecord({ uuid: 'u', ...record })).toEqual({ uuid: 'u', url, type: 'disk', readOnly: false });
  });

  test('addresses from the environment are writable proxies, numbered', () => {
    expect(servicesFromUrls(['https://a/', 'http://[::1]:9'])).toEqual([
      { uuid: '00000-bi6l4-000000000000000', url: 'https://a', type: 'proxy', readOnly: false },
      { uuid: '00000-bi6l4-000000000000001', url: 'http://[::1]:9', type: 'proxy', readOnly: false },
    ]);
  });
});
