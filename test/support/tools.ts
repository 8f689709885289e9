import { execFile, execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { promisify } from 'node:util';

/** Programs of the system that tests bring to bear on the service. test/support/install-test-tools installs them. */

const run = promisify(execFile);

/** Output of a program; throws with what it wrote when it fails. */
export async function tool(
  command: string,
  args: string[],
  options: { cwd?: string; input?: string; env?: Record<string, string> } = {},
): Promise<string> {
  const child = run(command, args, {
    cwd: options.cwd,
    env: { ...process.env, ...options.env },
    maxBuffer: 64 << 20,
  });
  if (options.input !== undefined) child.child.stdin?.end(options.input);
  const { stdout, stderr } = await child;
  return stdout + stderr;
}

/**
 * Whether a program is installed. In CI it must be: a skipped test would go unnoticed there. Elsewhere a message says what
 * is missing.
 */
export function hasTool(command: string): boolean {
  try {
    execFileSync('sh', ['-c', `command -v ${command}`], { stdio: 'ignore' });
    return true;
  } catch {
    const message = `${command} is not installed: run test/support/install-test-tools`;
    if (process.env.CI) throw new Error(message);
    console.warn(`\n*** SKIPPED: ${message} ***\n`);
    return false;
  }
}

/** Whether this machine lets a test mount a file system with this program: it takes root and FUSE. */
export function canMount(command: string): boolean {
  if (process.getuid?.() !== 0 || !existsSync('/dev/fuse')) {
    console.warn(`\n*** SKIPPED: ${command} mounts only as root, with /dev/fuse ***\n`);
    return false;
  }
  return hasTool(command);
}
