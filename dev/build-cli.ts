import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';

const ROOT = join(import.meta.dirname, '..');
const OUT = process.argv[2] ?? join(ROOT, 'dist/cli');

/**
 * Bundles the command line (`npm ci` and `npm link` do it through the prepare script): it runs on any Node from 20,
 * which cannot read TypeScript. An argument names another directory than dist/.
 */
await build({
  entryPoints: {
    'keep-edge': join(ROOT, 'src/cli/keep-edge.ts'),
    'block-worker': join(ROOT, 'src/cli/block-worker.ts'),
  },
  outdir: OUT,
  outExtension: { '.js': '.mjs' },
  bundle: true,
  format: 'esm',
  platform: 'node',
  target: 'node20',
  // CommonJS packages within ask for Node's modules with require.
  banner: {
    js: `#!/usr/bin/env node\nimport { createRequire } from 'node:module';\nconst require = createRequire(import.meta.url);`,
  },
  logLevel: 'warning',
});
chmodSync(join(OUT, 'keep-edge.mjs'), 0o755);
