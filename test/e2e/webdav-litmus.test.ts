import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createCollection } from '../support/collections.ts';
import { ROOT_TOKEN, startService, type TestService } from '../support/service.ts';
import { hasTool, tool } from '../support/tools.ts';

/** litmus, the WebDAV test suite of the neon library. */

let service: TestService;
let directory: string;

beforeAll(async () => {
  service = await startService();
  directory = await mkdtemp(join(tmpdir(), 'keep-edge-litmus-'));
});
afterAll(async () => {
  await service?.stop();
  await rm(directory, { recursive: true, force: true });
});

/** The runtime cuts fragments off addresses before the Worker sees them. */
const NOT_SEEN = /delete_fragment/;

describe.skipIf(!hasTool('litmus'))('litmus passes all of', () => {
  test.each(['basic', 'copymove', 'props', 'locks', 'http'])('%s', async (suite) => {
    const { uuid } = await createCollection(service, '');
    const output = await tool('litmus', ['-k', `${service.url}/c=${uuid}/`, 'any', ROOT_TOKEN], {
      cwd: directory,
      env: { TESTS: suite },
    }).catch((error: { stdout?: string }) => error.stdout ?? String(error));
    const debug = await readFile(join(directory, 'debug.log'), 'utf8').catch(() => '');
    if (process.env.LITMUS_DEBUG) console.log(output, debug.slice(-6000));
    expect(output).toContain(`summary for \`${suite}'`);
    expect(output.split('\n').filter((line) => /FAIL|WARNING|SKIPPED/.test(line) && !NOT_SEEN.test(line))).toEqual([]);
    expect(output).toMatch(/100\.0%/);
  });
});
