import { spawnSync } from 'node:child_process';
import { ROOT } from './serve.ts';

export interface LockedVersion {
  version?: string;
  /** The authors' message, which npm writes down when a package was deprecated before it was installed. */
  deprecated?: string;
  dev?: boolean;
  devOptional?: boolean;
}

/** The authors' message for `name@version`; empty when there is none, null when the registry does not answer. */
export type DeprecationOf = (spec: string) => string | null;

/**
 * Packages that their authors marked deprecated: those that the lock file marks, and, by the registry's answer of today,
 * those that run in the Worker or are named in package.json.
 */
export function deprecatedPackages(
  packages: Record<string, LockedVersion>,
  direct: readonly string[],
  deprecationOf: DeprecationOf,
): { problems: string[]; unanswered: number } {
  const problems: string[] = [];
  let unanswered = 0;
  for (const [path, entry] of Object.entries(packages)) {
    if (path === '') continue;
    const name = path.replace(/^.*node_modules\//, '');
    const isShipped = entry.dev !== true && entry.devOptional !== true;
    const asked = isShipped || (direct.includes(name) && path === `node_modules/${name}`);
    const message = entry.deprecated ?? (asked ? deprecationOf(`${name}@${entry.version}`) : '');
    if (message === null) unanswered++;
    else if (message !== '') problems.push(`${name} ${entry.version} is deprecated: ${message}`);
  }
  return { problems, unanswered };
}

/** Asks the registry through npm. */
export const askRegistry: DeprecationOf = (spec) => {
  const { status, stdout } = spawnSync('npm', ['view', spec, 'deprecated'], { cwd: ROOT, encoding: 'utf8' });
  return status === 0 ? stdout.trim() : null;
};
