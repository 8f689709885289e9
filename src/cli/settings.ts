import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { CliError } from './cli-error.ts';

/** Addresses and token, from the variables that all Arvados clients read. */
export interface Settings {
  /** Address of the API server, perhaps with a path, without a slash at its end. */
  apiUrl: string;
  token: string;
  /** Accept any certificate. */
  insecure: boolean;
  /** ARVADOS_KEEP_SERVICES: base URLs that replace discovery; empty for discovery. */
  keepServices: string[];
}

type Environment = Record<string, string | undefined>;

const TRUE = new Set(['1', 't', 'true', 'y', 'yes']);
const ADVICE =
  'Set ARVADOS_API_HOST and ARVADOS_API_TOKEN, in the environment or as lines of ~/.config/arvados/settings.conf.';

/**
 * Settings from the environment and, where a variable is not set, from settings.conf. The host may carry a scheme.
 * @throws CliError that says what to set
 */
export function readSettings(env: Environment = process.env): Settings {
  const file = readSettingsFile(env);
  const setting = (name: string) => (env[name] ?? file[name] ?? '').trim();
  const host = setting('ARVADOS_API_HOST');
  const token = setting('ARVADOS_API_TOKEN');
  if (host === '') throw new CliError(`ARVADOS_API_HOST is not set. ${ADVICE}`);
  if (token === '') throw new CliError(`ARVADOS_API_TOKEN is not set. ${ADVICE}`);
  const services = setting('ARVADOS_KEEP_SERVICES') || setting('ARVADOS_KEEP_PROXY');
  return {
    apiUrl: addressOf(host, 'ARVADOS_API_HOST'),
    token,
    insecure: TRUE.has(setting('ARVADOS_API_HOST_INSECURE').toLowerCase()),
    keepServices: services
      .split(/\s+/)
      .filter(Boolean)
      .map((url) => addressOf(url, 'ARVADOS_KEEP_SERVICES')),
  };
}

function addressOf(text: string, name: string): string {
  const address = /^https?:\/\//.test(text) ? text : `https://${text}`;
  const url = URL.canParse(address) ? new URL(address) : null;
  if (
    url !== null &&
    !url.pathname.includes('//') &&
    url.search === '' &&
    url.hash === '' &&
    url.username === '' &&
    url.password === ''
  )
    return `${url.origin}${url.pathname.replace(/\/+$/, '')}`;
  throw new CliError(`${name} is not an address such as "xedge.example.org" or "http://127.0.0.1:8787".`);
}

function readSettingsFile(env: Environment): Record<string, string> {
  for (const directory of settingsDirectories(env)) {
    try {
      return parseSettings(readFileSync(join(directory, 'settings.conf'), 'utf8'));
    } catch {
      // the next place
    }
  }
  return {};
}

/** CONFIGURATION_DIRECTORY (systemd) first, then XDG; each is a list of directories. */
function settingsDirectories(env: Environment): string[] {
  const list = (text: string | undefined) => (text ?? '').split(':').filter(Boolean);
  const home = env.HOME ?? homedir();
  const personal = env.XDG_CONFIG_HOME || join(home, '.config');
  return [
    ...list(env.CONFIGURATION_DIRECTORY),
    ...[personal, ...list(env.XDG_CONFIG_DIRS || '/etc/xdg')].map((directory) => join(directory, 'arvados')),
  ];
}

/** `KEY=value` lines; blank lines and those that begin with # do not count. */
export function parseSettings(text: string): Record<string, string> {
  const settings: Record<string, string> = {};
  for (const line of text.split('\n')) {
    const [, name, value] = /^\s*(?!#)([A-Za-z_]\w*)\s*=(.*)$/.exec(line) ?? [];
    if (name !== undefined && value !== undefined) settings[name] = value.trim().replace(/^(["'])(.*)\1$/, '$2');
  }
  return settings;
}
