import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { build } from 'esbuild';
import { BROWSER_ENTRIES, COPIED } from './build-browser.ts';
import { ROOT } from './serve.ts';

/** `npm run notices`: licences of the packages whose code is in what we ship: the Worker, the command line, the scripts of the pages. */
export const NOTICES = 'THIRD-PARTY-NOTICES.txt';
const ENTRIES = [
  'src/worker.ts',
  'src/cli/keep-edge.ts',
  'src/cli/block-worker.ts',
  ...BROWSER_ENTRIES.map((name) => `src/browser/${name}.ts`),
];

export async function notices(): Promise<string> {
  const { metafile } = await build({
    absWorkingDir: ROOT,
    entryPoints: ENTRIES,
    outdir: 'nowhere',
    write: false,
    bundle: true,
    metafile: true,
    format: 'esm',
    platform: 'node',
    external: ['cloudflare:*', 'node:*'],
    conditions: ['workerd', 'worker', 'browser'],
    logLevel: 'silent',
  });
  const folders = [...Object.keys(metafile.inputs), ...Object.values(COPIED)].flatMap(
    (file) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/.exec(file)?.[0] ?? [],
  );
  const sections = await Promise.all([...new Set(folders)].sort().map(sectionOf));
  return `The Worker, the command line and the pages of keep-edge contain code of these packages.\n\n${sections.join('\n')}`;
}

/** @throws Error for a package that comes without its licence, unless that is MIT */
async function sectionOf(folder: string): Promise<string> {
  const { name, version, license, author } = JSON.parse(await readFile(join(ROOT, folder, 'package.json'), 'utf8'));
  const files = (await readdir(join(ROOT, folder))).filter((file) => /^(licen[cs]e|copying|notice)/i.test(file));
  const texts = await Promise.all(files.sort().map((file) => readFile(join(ROOT, folder, file), 'utf8')));
  if (texts.length === 0) {
    if (license !== 'MIT') throw new Error(`${name} comes without a licence text`);
    texts.push(`MIT License\n\nCopyright (c) ${author?.name ?? author}\n\n${MIT}`);
  }
  const lines = texts.flatMap((text) => [...text.trim().split(/\r?\n/), '']).map((line) => line.trimEnd());
  return `${'='.repeat(80)}\n${name} ${version} (${license})\n${'='.repeat(80)}\n\n${lines.join('\n')}`;
}

/** For packages that only name it. */
const MIT = `Permission is hereby granted, free of charge, to any person obtaining a copy
of this software and associated documentation files (the "Software"), to deal
in the Software without restriction, including without limitation the rights
to use, copy, modify, merge, publish, distribute, sublicense, and/or sell
copies of the Software, and to permit persons to whom the Software is
furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all
copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR
IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY,
FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE
AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER
LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM,
OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE
SOFTWARE.`;

if (import.meta.main) await writeFile(join(ROOT, NOTICES), await notices());
