import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ROOT } from './serve.ts';

/** The parts of an entry of package-lock.json that this file looks at. */
export interface LockedPackage {
  version?: string;
  dev?: boolean;
  devOptional?: boolean;
  engines?: Record<string, string>;
  optionalDependencies?: Record<string, string>;
  resolved?: string;
}

/**
 * Takes out what would make `npm ci` print a page on Node 20: the engines that tools want. They never run under the
 * Node that installs them, but under the one that comes as a package. Also the host that a package was fetched from.
 */
export function tidy(packages: Record<string, LockedPackage>): void {
  for (const [path, entry] of Object.entries(packages)) {
    if (path === '') continue;
    if (entry.dev === true || entry.devOptional === true) delete entry.engines;
    if (entry.resolved?.startsWith('http')) delete entry.resolved;
  }
}

if (import.meta.main) {
  const file = join(ROOT, 'package-lock.json');
  const lock = JSON.parse(await readFile(file, 'utf8')) as { packages: Record<string, LockedPackage> };
  tidy(lock.packages);
  await writeFile(file, `${JSON.stringify(lock, null, 2)}\n`);
}
