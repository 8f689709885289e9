import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ROOT } from '../../../dev/serve.ts';

describe('the lock on a state directory', () => {
  let parent: string;
  let state: string;
  beforeEach(async () => {
    parent = await mkdtemp(join(tmpdir(), 'keep-edge-state-'));
    state = join(parent, 'state');
  });
  afterEach(() => rm(parent, { recursive: true, force: true }));

  /** A process that takes the state, says whether it got it, and stays. */
  async function taker(): Promise<{ got: boolean; child: ChildProcess }> {
    const code = `import { takeState } from ${JSON.stringify(join(ROOT, 'dev/state-lock.ts'))};
      console.log(takeState(${JSON.stringify(state)}));
      setInterval(() => globalThis.gc?.(), 10);`;
    const child = spawn(process.execPath, ['--expose-gc', '--input-type=module', '-e', code], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [said] = await once(child.stdout as NodeJS.EventEmitter, 'data');
    return { got: String(said).trim() === 'true', child };
  }

  async function kill(child: ChildProcess): Promise<void> {
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
  }

  test('is held by one process at a time, and free again after a SIGKILL', async () => {
    const first = await taker();
    const second = await taker();
    expect([first.got, second.got]).toEqual([true, false]);
    await kill(second.child);
    await kill(first.child);
    const third = await taker();
    expect(third.got).toBe(true);
    await kill(third.child);
  });

  test('is one of many that start at once', async () => {
    const takers = await Promise.all(Array.from({ length: 4 }, taker));
    expect(takers.filter(({ got }) => got)).toHaveLength(1);
    await Promise.all(takers.map(({ child }) => kill(child)));
  });

  test('closes the directory to other users, one of an earlier version too', async () => {
    await mkdir(state);
    await writeFile(join(state, 'admin-token'), '');
    await chmod(state, 0o755);
    const { child } = await taker();
    expect((await stat(state)).mode & 0o777).toBe(0o700);
    await kill(child);
  });

  test('leaves the mode of a directory alone that holds something else', async () => {
    await mkdir(state);
    await writeFile(join(state, 'thesis.tex'), '');
    await chmod(state, 0o755);
    const { child } = await taker();
    expect((await stat(state)).mode & 0o777).toBe(0o755);
    await kill(child);
  });
});
