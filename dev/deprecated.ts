import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { ROOT } from './serve.ts';

export interface LockedVersion {
  version?: string;
  /** The authors' message, which npm writes down when a package was deprecated before it was installed. */
  deprecated?: string;
}

/** The authors' message for `name@version`; empty when there is none, null when the registry does not answer. */
export type DeprecationOf = (spec: string) => Promise<string | null>;

/**
 * Packages that their authors marked deprecated: any that the lock file marks, and direct ones by the registry's answer
 * of today.
 */
export async function deprecatedPackages(
  packages: Record<string, LockedVersion>,
  direct: readonly string[],
  deprecationOf: DeprecationOf,
): Promise<{ problems: string[]; unanswered: number }> {
  const messages = await Promise.all(
    Object.entries(packages).map(async ([path, { version, deprecated }]) => {
      const name = path.replace(/^.*node_modules\//, '');
      const isDirect = path === `node_modules/${name}` && direct.includes(name);
      const message = deprecated ?? (isDirect ? await deprecationOf(`${name}@${version}`) : '');
      return message === null || message === '' ? message : `${name} ${version} is deprecated: ${message}`;
    }),
  );
  return {
    problems: messages.flatMap((message) => message || []),
    unanswered: messages.filter((message) => message === null).length,
  };
}

/** Asks the registry through npm. */
export const askRegistry: DeprecationOf = async (spec) => {
  const npm = spawn('npm', ['view', spec, 'deprecated'], { cwd: ROOT, stdio: ['ignore', 'pipe', 'ignore'] });
  const [said, [code]] = await Promise.all([text(npm.stdout), once(npm, 'close')]);
  return code === 0 ? said.trim() : null;
};
