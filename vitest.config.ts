import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { cloudflareTest } from '@cloudflare/vitest-plugin';
import { defineConfig } from 'vitest/config';
import { sqlStatements } from './dev/sql-statements.ts';

// wrangler.toml names it, and a checkout whose pages were not built has none.
mkdirSync('dist/assets', { recursive: true });

/** expect.poll gives up after one second unless told otherwise, which a slow machine may need for what is to come. */
const expect = { poll: { timeout: 20_000 } };

/** Folder says runtime: unit and e2e run in Node (e2e talks to a service over a socket), workerd runs inside the Workers runtime. */
export default defineConfig({
  test: {
    projects: [
      { test: { name: 'unit', include: ['test/unit/**/*.test.ts'], testTimeout: 60_000 } },
      {
        plugins: [
          cloudflareTest({
            wrangler: { configPath: './wrangler.toml' },
            miniflare: {
              bindings: {
                SYSTEM_ROOT_TOKEN: 'roottokenroottokenroottokenroottoken00',
                MANAGEMENT_TOKEN: 'managementtokenmanagementtoken000000',
                BLOB_SIGNING_KEY: 'signingkeysigningkeysigningkeysigningkey',
                ...s3Bindings(),
                GATEWAY_CHANGES: process.env.GATEWAY_CHANGES ?? '150',
                MIGRATIONS: migrations('migrations'),
                SEARCH_MIGRATIONS: migrations('migrations-search'),
              },
              r2Buckets: ['BLOCKS', 'ARCHIVE', 'MANIFESTS'],
              d1Databases: ['DB', 'SEARCH', 'REPLICA'],
            },
          }),
        ],
        test: {
          name: 'workerd',
          include: ['test/workerd/**/*.test.ts'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
          expect,
        },
      },
      {
        // Minutes of waiting for dead networks and killed processes: npm run test:network.
        test: {
          name: 'network',
          include: ['test/network/**/*.test.ts'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
          expect,
          maxWorkers: 2,
        },
      },
      {
        // Minutes of a real browser: npm run test:browser.
        test: {
          name: 'browser',
          include: ['test/browser/**/*.test.ts'],
          testTimeout: 240_000,
          hookTimeout: 240_000,
          expect,
        },
      },
      {
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          // Some tests start a service three times, which takes a busy machine half a minute.
          testTimeout: 120_000,
          hookTimeout: 120_000,
          expect,
          // Each file starts services of its own; more files at once would only wait for the processor.
          maxWorkers: 2,
        },
      },
    ],
  },
});

/** The real S3 server that test/support/s3/with-s3 left in the environment; empty where there is none. */
function s3Bindings() {
  const { S3_ENDPOINT = '', S3_REGION = '', S3_ACCESS_KEY_ID = '', S3_SECRET_ACCESS_KEY = '', CI } = process.env;
  return { S3_ENDPOINT, S3_REGION, S3_ACCESS_KEY_ID, S3_SECRET_ACCESS_KEY, CI: CI === 'true' };
}

/** The statements of every migration, for tests that want a database. */
function migrations(directory: string): string[] {
  const files = readdirSync(directory).sort();
  return files.flatMap((file) => sqlStatements(readFileSync(`${directory}/${file}`, 'utf8')));
}
