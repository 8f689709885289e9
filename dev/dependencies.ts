import { spawnSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { askRegistry, deprecatedPackages, type LockedVersion } from './deprecated.ts';
import { ROOT } from './serve.ts';

/**
 * `npm run dependencies`: checks that dependencies are few, pinned, under licences that may be shipped, not deprecated,
 * and without known severe vulnerabilities. Rules are stricter for what runs in the Worker than for tools.
 */
/** Those of the pages' scripts included, which are assets and no part of the Worker. */
const MAX_DIRECT = 16;
const SHIPPED = [
  'MIT',
  'ISC',
  'Apache-2.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  '0BSD',
  'CC0-1.0',
  'Unlicense',
  'BlueOak-1.0.0',
  'PSF-2.0',
];
/** Tools are not distributed. */
const TOOLS = [...SHIPPED, 'MPL-2.0', 'LGPL-3.0-or-later', 'Python-2.0', 'CC-BY-4.0'];

interface Locked extends LockedVersion {
  dev?: boolean;
  devOptional?: boolean;
  resolved?: string;
  integrity?: string;
  license?: string;
  optional?: boolean;
}
const read = async <T>(name: string) => JSON.parse(await readFile(join(ROOT, name), 'utf8')) as T;
const own = await read<Record<'dependencies' | 'devDependencies', Record<string, string>>>('package.json');
const lock = await read<{ packages: Record<string, Locked> }>('package-lock.json');

const problems: string[] = [];
const direct = Object.keys(own.dependencies);
if (direct.length > MAX_DIRECT) problems.push(`${direct.length} direct dependencies: at most ${MAX_DIRECT}`);
for (const [name, version] of Object.entries({ ...own.dependencies, ...own.devDependencies }))
  if (!/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version)) problems.push(`${name} is not pinned: ${version}`);

let unchecked = 0;
const counts = { shipped: 0, tools: 0 };
for (const [path, entry] of Object.entries(lock.packages)) {
  if (path === '') continue;
  const isTool = entry.dev === true || entry.devOptional === true;
  counts[isTool ? 'tools' : 'shipped']++;
  const name = path.replace(/^.*node_modules\//, '');
  // Binaries for other platforms than the one that made the lock file: npm checks them against the registry alone.
  if (entry.integrity === undefined && entry.optional === true) unchecked++;
  else if (entry.integrity === undefined) problems.push(`${name}: the lock file has no checksum for it`);
  const licence = entry.license ?? 'none named';
  const allowed = isTool ? TOOLS : SHIPPED;
  if (
    !licence
      .replace(/[()]/g, '')
      .split(' OR ')
      .some((one) => one.split(' AND ').every((part) => allowed.includes(part)))
  )
    problems.push(`${name}: licence ${licence}`);
}
if (unchecked > 0) console.log(`${unchecked} optional binaries of other platforms have no checksum in the lock file`);
console.log(`${direct.length} direct dependencies; ${counts.shipped} packages in the Worker, ${counts.tools} tools`);

const deprecated = await deprecatedPackages(lock.packages, direct, askRegistry);
problems.push(...deprecated.problems);
if (deprecated.unanswered > 0)
  console.log(`*** ${deprecated.unanswered} packages NOT CHECKED for deprecation: the registry does not answer. ***`);

const audit = spawnSync('npm', ['audit', '--audit-level=high', '--json'], { cwd: ROOT, encoding: 'utf8' });
const report = parse(audit.stdout);
const found = report?.metadata?.vulnerabilities;
if (found === undefined) {
  console.log('*** NOT AUDITED: this registry does not answer `npm audit`. Run it where one does. ***');
} else {
  console.log(`known holes: ${JSON.stringify(found)}`);
  if ((found.high ?? 0) + (found.critical ?? 0) > 0) problems.push('npm audit knows severe holes: run it to see them');
}

for (const problem of problems) console.error(problem);
console.log(problems.length === 0 ? 'dependencies are as they should be' : `${problems.length} problems`);
process.exitCode = problems.length === 0 ? 0 : 1;

function parse(text: string): { metadata?: { vulnerabilities?: Record<string, number> } } | null {
  try {
    return JSON.parse(text) as { metadata?: { vulnerabilities?: Record<string, number> } };
  } catch {
    return null;
  }
}
