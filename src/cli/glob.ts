/** Whether a path in the tree matches. */
export type Glob = (path: string) => boolean;

const SPECIAL = /[.+^${}()|[\]\\]/g;

/**
 * `*.tmp` matches names at any depth; a pattern with a slash matches whole paths from the top, where `**` crosses
 * directories. `?` is one character.
 */
export function parseGlob(pattern: string): Glob {
  const source = pattern
    .replace(/^\.?\//, '')
    .replace(/\/$/, '')
    .replace(SPECIAL, '\\$&')
    .replace(/\*\*\/|\*\*|\*|\?/g, (token) => {
      if (token === '**/') return '(?:.*/)?';
      if (token === '**') return '.*';
      return token === '*' ? '[^/]*' : '[^/]';
    });
  const matcher = new RegExp(`^${source}$`, 's');
  const whole = pattern.replace(/\/$/, '').includes('/');
  return (path) => matcher.test(whole ? path : path.slice(path.lastIndexOf('/') + 1));
}
