import { chmodSync, copyFileSync, readFileSync, writeFileSync } from 'node:fs';
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

// `npm pack ./dist/cli` makes the archive that a release offers: without packages to install, because all is in the bundle.
const { name, version, license, engines } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
const description = 'Command line of keep-edge: large data into Arvados Keep and out of it, resumable';
const own = { name, version, description, license, type: 'module', bin: { [name]: 'keep-edge.mjs' }, engines };
writeFileSync(join(OUT, 'package.json'), `${JSON.stringify(own, null, 2)}\n`);
for (const file of ['LICENSE', 'THIRD-PARTY-NOTICES.txt', 'CHANGELOG.md'])
  copyFileSync(join(ROOT, file), join(OUT, file));
copyFileSync(join(ROOT, 'docs/command-line.md'), join(OUT, 'README.md'));
