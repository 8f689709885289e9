import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, readFile, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** What building the SDK's pycurl and ciso8601 and arv-mount's llfuse takes, where no ready-made package fits this Python; arv-mount runs `fusermount`. */
const DEBIAN_PACKAGES = [
  'python3-venv',
  'python3-dev',
  'gcc',
  'pkg-config',
  'libcurl4-openssl-dev',
  'libssl-dev',
  'libfuse-dev',
  'fuse',
];

/**
 * A virtual environment with the given requirements, made when it is not there or was made for others.
 * @returns its Python
 */
export async function preparePython(venv: string, requirements: string): Promise<string> {
  const python = join(venv, 'bin/python');
  const installed = join(venv, 'requirements.txt');
  const required = await readFile(requirements, 'utf8');
  if (existsSync(python) && (await readFile(installed, 'utf8').catch(() => '')) === required) return python;
  await mkdir(dirname(venv), { recursive: true });
  if (!(await install(venv, python, requirements))) {
    installDebianPackages();
    if (!(await install(venv, python, requirements)))
      throw new Error('the Arvados SDK could not be installed: see above');
  }
  await copyFile(requirements, installed);
  return python;
}

async function install(venv: string, python: string, requirements: string): Promise<boolean> {
  await rm(venv, { recursive: true, force: true });
  return (
    run('python3', ['-m', 'venv', venv]) &&
    run(python, ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '-r', requirements])
  );
}

function installDebianPackages(): void {
  const advice = `The Arvados SDK requires, on Debian: apt-get install ${DEBIAN_PACKAGES.join(' ')}`;
  if (process.getuid?.() !== 0) throw new Error(advice);
  console.log('The SDK did not install as it is: installing what it is built with.');
  const installed =
    run('apt-get', ['update', '-qq']) &&
    run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...DEBIAN_PACKAGES]);
  if (!installed) throw new Error(advice);
}

function run(command: string, parameters: string[]): boolean {
  return (
    spawnSync(command, parameters, { stdio: 'inherit', env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } })
      .status === 0
  );
}
