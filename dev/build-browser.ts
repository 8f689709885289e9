import { randomBytes } from 'node:crypto';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { build } from 'esbuild';

const ROOT = join(import.meta.dirname, '..');
/** What wrangler.toml names as the directory of static assets. */
export const ASSETS = join(ROOT, 'dist/assets');
/** Scripts of the pages; each becomes one file, loaded by the pages that need it. */
export const BROWSER_ENTRIES = ['listing', 'upload', 'hash-worker', 'parquet', 'genome'];
/** Files of packages that are served as they are. */
export const COPIED = { 'igv.js': 'node_modules/igv/dist/igv.esm.min.js' };

/** Bundles the scripts of the pages into dist/assets. Files that are up to date stay untouched: several services may start at once. */
export async function buildBrowser(out = ASSETS): Promise<void> {
  await mkdir(out, { recursive: true });
  const { outputFiles } = await build({
    absWorkingDir: ROOT,
    entryPoints: BROWSER_ENTRIES.map((name) => `src/browser/${name}.ts`),
    outdir: out,
    write: false,
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    // Loaded by its address when a page needs it.
    external: ['/.keep-edge/*'],
    logLevel: 'silent',
  });
  for (const { path, contents } of outputFiles) await put(path, contents);
  for (const [name, from] of Object.entries(COPIED)) await put(join(out, name), await readFile(join(ROOT, from)));
  await put(join(out, 'icon.svg'), await readFile(join(ROOT, 'src/browser/icon.svg')));
}

async function put(path: string, contents: Uint8Array): Promise<void> {
  const before = await readFile(path).catch(() => null);
  if (before !== null && Buffer.compare(before, contents) === 0) return;
  const temporary = `${path}.${randomBytes(6).toString('hex')}`;
  await writeFile(temporary, contents);
  await rename(temporary, path);
}

if (import.meta.main) await buildBrowser(process.argv[2]);
