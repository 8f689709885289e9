import { spawnSync } from 'node:child_process';

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

let registry: string | undefined;

/** Asks the registry that npm is set up with. */
export const askRegistry: DeprecationOf = async (spec) => {
  registry ??=
    process.env.npm_config_registry ??
    spawnSync('npm', ['config', 'get', 'registry'], { encoding: 'utf8' }).stdout.trim();
  const at = spec.lastIndexOf('@');
  const url = `${registry.replace(/\/?$/, '/')}${spec.slice(0, at).replace('/', '%2f')}/${spec.slice(at + 1)}`;
  try {
    const response = await fetch(url);
    if (!response.ok) return null;
    const { deprecated } = (await response.json()) as { deprecated?: unknown };
    return typeof deprecated === 'string' ? deprecated : '';
  } catch {
    return null;
  }
};
