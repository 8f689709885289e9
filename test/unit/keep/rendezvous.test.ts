import { expect, test } from 'vitest';
import { mountOrder, serviceOrder } from '../../../src/keep/rendezvous.ts';
import vectors from '../../vectors/rendezvous.json' with { type: 'json' };

test.each(vectors.mounts)('mounts of one priority are tried in the real order for $hash', ({ hash, order }) => {
  const mounts = order.toSorted().map((uuid) => ({ uuid, priority: 1 }));
  expect(mountOrder(hash, mounts).map(({ uuid }) => uuid)).toEqual(order);
  expect(mountOrder(hash, mounts.toReversed()).map(({ uuid }) => uuid)).toEqual(order);
});

test('a mount of higher priority comes first whatever its weight', () => {
  const { hash, order } = vectors.mounts[0]!;
  const mounts = order.map((uuid, priority) => ({ uuid, priority }));
  expect(mountOrder(hash, mounts).map(({ uuid }) => uuid)).toEqual(order.toReversed());
});

test.each(vectors.services)('services are probed in the real order for $hash', ({ hash, order }) => {
  const services = Array.from({ length: 16 }, (_, n) => ({ uuid: `xtest-bi6l4-${n.toString(16).padStart(15, '0')}` }));
  expect(
    serviceOrder(hash, services)
      .map(({ uuid }) => uuid.slice(-1))
      .join(''),
  ).toBe(order);
});

test('an identifier that is no uuid of 27 characters is weighed whole', () => {
  const hash = 'acbd18db4cc2f85cedef654fccc4a4d8';
  const tails = Array.from({ length: 16 }, (_, n) => n.toString(16).padStart(15, '0'));
  const byTail = serviceOrder(
    hash,
    tails.map((uuid) => ({ uuid })),
  ).map(({ uuid }) => uuid);
  const whole = serviceOrder(
    hash,
    tails.map((tail) => ({ uuid: `xtest-bi6l4-0${tail}` })),
  ).map(({ uuid }) => uuid.slice(-15));
  expect(whole).not.toEqual(byTail);
  expect(whole.toSorted()).toEqual(byTail.toSorted());
});

test('the given list is left as it was', () => {
  const { hash, order } = vectors.mounts[1]!;
  const mounts = order.toSorted().map((uuid) => ({ uuid, priority: 0 }));
  const before = [...mounts];
  mountOrder(hash, mounts);
  expect(mounts).toEqual(before);
});
