import { existsSync } from 'node:fs';
import { expect, test } from 'vitest';
import { isRunning, startService } from '../support/service.ts';

test('a service started for a test keeps its objects over a kill and leaves no process or state behind', async () => {
  const service = await startService({ r2: ['ARCHIVE'] });
  const firstPid = service.workerdPid;
  await service.r2('ARCHIVE').put('a', new Uint8Array([1, 2, 3]));
  await service.r2('ARCHIVE').putInParts('b', new Uint8Array(6 << 20));
  await service.restart();
  expect(isRunning(firstPid)).toBe(false);
  expect(await service.r2('ARCHIVE').get('a')).toEqual(new Uint8Array([1, 2, 3]));
  expect((await service.r2('ARCHIVE').get('b'))?.length).toBe(6 << 20);
  expect(await service.r2('ARCHIVE').list()).toEqual(['a', 'b']);
  await service.stop();
  expect(isRunning(service.workerdPid)).toBe(false);
  expect(existsSync(service.state)).toBe(false);
});
