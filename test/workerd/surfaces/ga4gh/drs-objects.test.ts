import { expect, test } from 'vitest';
import { buildFileTree } from '../../../../src/collections/file-tree-builder.ts';
import type { RequestContext } from '../../../../src/http/context.ts';
import type { Ga4ghDependencies } from '../../../../src/surfaces/ga4gh/dependencies.ts';
import { contentsBudget, drsObject } from '../../../../src/surfaces/ga4gh/drs-objects.ts';
import type { Opened } from '../../../../src/surfaces/ga4gh/open-file.ts';

const context = { url: new URL('https://host/') } as RequestContext;
const PDH = 'd41d8cd98f00b204e9800998ecf8427e+0';

async function bundle(directory: string, files: number) {
  const names = Array.from({ length: files }, (_, i) => `0:1:f${i}`).join(' ');
  const text = `./${directory} acbd18db4cc2f85cedef654fccc4a4d8+3 ${names}\n`;
  const { tree } = await buildFileTree([new TextEncoder().encode(text)]);
  const collection = { uuid: null, portableDataHash: PDH, createdAt: null, modifiedAt: '' };
  const opened = { tree, collection, token: '', isPublic: true } as unknown as Opened;
  const id = { portableDataHash: PDH, path: '', isDirectory: true };
  const budget = contentsBudget();
  return () => drsObject(context, {} as Ga4ghDependencies, opened, id, true, budget);
}

test('a bundle is shown up to a number of entries, and of characters, which all bundles of one answer share', async () => {
  const usual = await bundle('a/b', 9000);
  await expect(usual()).resolves.toMatchObject({ contents: [{ name: 'a' }] });
  await expect(usual()).resolves.toMatchObject({ contents: [{ name: 'a' }] });
  await expect(usual()).rejects.toMatchObject({ code: 'too_large' });
  const deep = await bundle(Array.from({ length: 150 }, () => 'd'.repeat(250)).join('/'), 200);
  await expect(deep()).rejects.toMatchObject({ code: 'too_large' });
});
