import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, globSync, mkdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';

/** Clients of npm in a folder of their own, with the scripts (`*.mjs`) that use them. @param from has the package.json */
export function prepareNode(directory: string, from: string): void {
  const wanted = readFileSync(join(from, 'package.json'), 'utf8');
  const installed = join(directory, 'package.json');
  const isThere = existsSync(join(directory, 'node_modules')) && readFileSync(installed, 'utf8') === wanted;
  mkdirSync(directory, { recursive: true });
  if (!isThere) {
    copyFileSync(join(from, 'package.json'), installed);
    const options = { cwd: directory, stdio: 'inherit' as const };
    const done = spawnSync('npm', ['install', '--silent', '--no-audit', '--no-fund'], options);
    if (done.status !== 0) throw new Error(`npm could not install the clients of ${from}: see above`);
  }
  for (const script of globSync(join(from, '*.mjs'))) copyFileSync(script, join(directory, basename(script)));
}
