import { expect, test } from 'vitest';
import { contentDisposition } from '../../../src/files/content-disposition.ts';

test('a name of megabytes becomes a header of a file system’s length, and keeps its extension', () => {
  for (const name of ['x'.repeat(3_000_000), '😀'.repeat(1_000_000), '"'.repeat(1_000_000)]) {
    const header = contentDisposition('attachment', `${name}.tar.gz`);
    expect(header.length).toBeLessThan(4000);
    expect(header).toContain('.gz');
    expect(header).not.toContain('%EF%BF%BD');
  }
  const longest = `${'x'.repeat(251)}.zip`;
  expect(contentDisposition('attachment', longest)).toBe(`attachment; filename="${longest}"`);
});
