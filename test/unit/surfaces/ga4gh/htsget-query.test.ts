import { expect, test, vi } from 'vitest';
import { readHtsgetQuery } from '../../../../src/surfaces/ga4gh/htsget-query.ts';

const ask = (body: object) => {
  const url = 'http://host/ga4gh/htsget/v1/reads/x';
  return readHtsgetQuery(new Request(url, { method: 'POST', body: JSON.stringify(body) }), new URL(url), 'reads');
};

test('a tag in tags and in notags is refused, and a megabyte of them is not looked through once for each', async () => {
  await expect(ask({ tags: ['MD', 'NM'], notags: ['XX', 'NM'] })).rejects.toThrow('NM is in tags and in notags');
  const many = (mark: string) => Array.from({ length: 50_000 }, (_, i) => `${mark}${i}`);
  const includes = vi.spyOn(Array.prototype, 'includes');
  try {
    await expect(ask({ tags: many('a'), notags: many('b') })).resolves.toMatchObject({ regions: null });
    expect(includes.mock.calls.length).toBeLessThan(1000);
  } finally {
    includes.mockRestore();
  }
});
