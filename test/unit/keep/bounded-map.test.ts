import { describe, expect, test } from 'vitest';
import { cacheKey, createBoundedMap } from '../../../src/keep/bounded-map.ts';

const textMap = (limits: { maxEntries?: number; maxBytes?: number; now?: () => number }) =>
  createBoundedMap<string>({ maxEntries: 100, maxBytes: 1_000_000, sizeOf: (text) => 2 * text.length, ...limits });

describe('a bounded map', () => {
  test('drops the entry used longest ago when there are too many', () => {
    const map = textMap({ maxEntries: 2 });
    map.set('a', '1');
    map.set('b', '2');
    map.get('a');
    map.set('c', '3');
    expect(['a', 'b', 'c'].map((key) => map.get(key))).toEqual(['1', undefined, '3']);
  });

  test('holds no more bytes of keys and values than its limit, whatever single entries measure', () => {
    const map = textMap({ maxBytes: 10_000 });
    for (let index = 0; index < 500; index++) {
      map.set(`${index}${'k'.repeat(index)}`, 'v'.repeat((index * 37) % 4000));
      expect(map.held.bytes).toBeLessThanOrEqual(10_000);
    }
    map.set('small', 'kept');
    map.set('large', 'x'.repeat(10_000));
    expect(map.get('large')).toBeUndefined();
    expect(map.get('small')).toBe('kept');
  });

  test('counts a replaced or deleted entry once', () => {
    const map = textMap({});
    map.set('a', 'x'.repeat(1000));
    map.set('a', 'x');
    map.delete('b');
    const one = map.held.bytes;
    map.delete('a');
    expect(map.held).toEqual({ entries: 0, bytes: 0 });
    map.set('a', 'x');
    expect(map.held.bytes).toBe(one);
    map.clear();
    expect(map.held).toEqual({ entries: 0, bytes: 0 });
  });

  test('does not answer with an expired entry, and drops it', () => {
    let now = 0;
    const map = textMap({ now: () => now });
    map.set('a', '1', 10);
    map.set('past', '1', 0);
    expect(map.get('past')).toBeUndefined();
    now = 10;
    expect(map.get('a')).toBeUndefined();
    expect(map.held.entries).toBe(0);
  });

  test('drops expired entries that are not asked for again, as others come', () => {
    let now = 0;
    const map = textMap({ maxEntries: 10_000, now: () => now });
    for (let index = 0; index < 1000; index++) map.set(`old ${index}`, 'x'.repeat(100), 10);
    now = 11;
    for (let index = 0; index < 1000; index++) map.set(`new ${index}`, 'x', 1000);
    expect(map.held.entries).toBe(1000);
  });
});

describe('a cache key', () => {
  test('has one length however long the texts are', async () => {
    expect(await cacheKey('v2/x/y', 'z'.repeat(1_000_000))).toHaveLength(64);
  });
  test('tells apart the same text cut in different places', async () => {
    const keys = await Promise.all([cacheKey('ab', 'c'), cacheKey('a', 'bc'), cacheKey('abc')]);
    expect(new Set(keys).size).toBe(3);
  });

  test('is the same when it is asked for again, however many others were asked for in between', async () => {
    const first = await cacheKey('same', 'text');
    for (let i = 0; i < 300; i++) await cacheKey('other', String(i));
    expect([await cacheKey('same', 'text'), await cacheKey('same', 'text')]).toEqual([first, first]);
  });

  test('tells apart bytes that are not UTF-8', async () => {
    expect(await cacheKey('a\udc80')).not.toBe(await cacheKey('a\udc81'));
  });
});
