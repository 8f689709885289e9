import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ROOT } from '../../../dev/serve.ts';

/** What `npm run lint` says of imports, in a copy of the source that has one file more. */
describe('the check of imports', () => {
  let copy: string;

  beforeAll(async () => {
    copy = await mkdtemp(join(tmpdir(), 'keep-edge-layers-'));
    for (const name of ['src', 'dev/layers.ts', 'biome.json', '.gitignore', 'package.json'])
      await cp(join(ROOT, name), join(copy, name), { recursive: true });
  });
  afterAll(() => rm(copy, { recursive: true, force: true }));

  /** Runs a check with these files added, and takes them away again. @returns exit code and all output */
  async function check(command: string[], files: Record<string, string>): Promise<{ code: number; output: string }> {
    const before = await Promise.all(Object.keys(files).map((file) => readFile(join(copy, file)).catch(() => null)));
    for (const [file, text] of Object.entries(files)) {
      await mkdir(dirname(join(copy, file)), { recursive: true });
      await writeFile(join(copy, file), text);
    }
    const [program = '', ...args] = command;
    const result = await promisify(execFile)(program, args, { cwd: copy, maxBuffer: 16 * 1024 * 1024 }).then(
      ({ stdout, stderr }) => ({ code: 0, output: stdout + stderr }),
      (error) => ({ code: Number(error.code), output: `${error.stdout}${error.stderr}` }),
    );
    for (const [i, file] of Object.keys(files).entries()) {
      const text = before[i];
      if (text) await writeFile(join(copy, file), text);
      else await rm(join(copy, file));
    }
    return result;
  }

  const layers = [process.execPath, 'dev/layers.ts'];
  const biome = [join(ROOT, 'node_modules/.bin/biome'), 'lint', '--error-on-warnings', '--vcs-enabled=false', 'src'];

  test('passes the source as it is', async () => {
    expect(await check(layers, {})).toEqual({ code: 0, output: '' });
    expect(await check(biome, {})).toMatchObject({ code: 0 });
  });

  test.each([
    ['from a verb up to a surface', 'src/blocks/added.ts', '../surfaces/keepstore/get.ts', 'surfaces/keepstore'],
    ['from one surface to another', 'src/surfaces/keep-web/added.ts', '../keepstore/get.ts', 'surfaces/keepstore'],
    ['from a foundation to one beside it', 'src/records/added.ts', '../http/cors.ts', 'http'],
    ['of Node in the Worker', 'src/storage/added.ts', 'node:fs', 'node:'],
  ])('fails on an import %s', async (_what, file, target, layer) => {
    const { code, output } = await check(layers, { [file]: `export * from '${target}';\n` });
    expect(code).toBe(1);
    expect(output).toContain(`${file}: `);
    expect(output).toContain(`may not import ${layer}`);
  });

  test('fails on a type-only import and on a dynamic one like on any other', async () => {
    const target = "'../surfaces/keepstore/get.ts'";
    for (const text of [
      `import type { X } from ${target};`,
      `import {\n  a,\n} from ${target};`,
      `await import(${target});`,
    ]) {
      expect(await check(layers, { 'src/blocks/added.ts': `${text}\n` })).toMatchObject({ code: 1 });
    }
  });

  test('fails on a folder that the table of layers does not list', async () => {
    const { code, output } = await check(layers, { 'src/gardening/added.ts': 'export const x = 1;\n' });
    expect(code).toBe(1);
    expect(output).toContain('the folder gardening is not listed');
  });

  test.each([
    ['of values', (other: string) => `import { a } from './added-${other}.ts';\n\nexport const b = () => a;\n`],
    [
      'of types alone',
      (other: string) => `import type { T } from './added-${other}.ts';\n\nexport type U = { t: T };\n`,
    ],
  ])('fails on a circle %s', async (_kind, importing) => {
    const files = { 'src/keep/added-a.ts': importing('b'), 'src/keep/added-b.ts': importing('a') };
    const { code, output } = await check(biome, files);
    expect(code).toBe(1);
    expect(output).toContain('noImportCycles');
  });
});
