import { BlockList, isIP } from 'node:net';
import { CliError } from './cli-error.ts';

type Environment = Record<string, string | undefined>;

const DEFAULT_PORTS: Record<string, string> = { 'http:': '80', 'https:': '443' };

/**
 * The proxy for an address, by https_proxy, http_proxy, all_proxy and no_proxy, read as curl and the Arvados SDKs do.
 * @throws CliError when the variable holds no proxy that can be used
 */
export function proxyFor(url: URL, env: Environment): URL | null {
  const scheme = url.protocol === 'https:' ? 'https' : 'http';
  const name = [`${scheme}_proxy`, `${scheme.toUpperCase()}_PROXY`, 'all_proxy', 'ALL_PROXY'].find(
    // In a CGI program HTTP_PROXY is a header that any client may send.
    (each) => env[each] !== undefined && !(each === 'HTTP_PROXY' && env.REQUEST_METHOD !== undefined),
  );
  const value = name === undefined ? '' : (env[name] ?? '').trim();
  if (value === '' || isExcluded(url, env.no_proxy ?? env.NO_PROXY ?? '')) return null;
  const address = /^[a-z][a-z0-9+.-]*:\/\//i.test(value) ? value : `http://${value}`;
  const proxy = URL.canParse(address) ? new URL(address) : null;
  if (proxy !== null && proxy.hostname !== '' && proxy.protocol in DEFAULT_PORTS) return proxy;
  throw new CliError(`${name} is not the address of an HTTP proxy, such as http://proxy.example.org:3128.`);
}

/** The Proxy-Authorization header for the user and password in a proxy's address. */
export function proxyHeaders({ username, password }: URL): Record<string, string> {
  if (username === '' && password === '') return {};
  const credentials = `${decoded(username)}:${decoded(password)}`;
  return { 'Proxy-Authorization': `Basic ${Buffer.from(credentials).toString('base64')}` };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

export function portOf({ port, protocol }: URL): string {
  return port || (DEFAULT_PORTS[protocol] ?? '');
}

/** Host of a URL without the brackets of IPv6. */
export function hostOf({ hostname }: URL): string {
  return hostname.replace(/^\[(.*)\]$/, '$1');
}

/**
 * Whether no_proxy names a host. Entries, separated by commas or blanks: `*`; a domain with all below it (`example.org`,
 * `.example.org`, `*.example.org`); an address; a network (`10.0.0.0/8`, `fd00::/8`); each but the last with a port.
 */
function isExcluded(url: URL, list: string): boolean {
  const host = hostOf(url).toLowerCase().replace(/\.$/, '');
  return list
    .toLowerCase()
    .split(/[\s,]+/)
    .filter(Boolean)
    .some((entry) => entry === '*' || matches(entry, host, portOf(url)));
}

function matches(entry: string, host: string, port: string): boolean {
  const network = /^\[?([^\]]*)\]?\/(\d{1,3})$/.exec(entry);
  if (network !== null) return isInNetwork(host, network[1] ?? '', Number(network[2]));
  const [name, entryPort] = split(entry);
  if (entryPort !== null && entryPort !== port) return false;
  if (isIP(host) !== 0) return isIP(name) !== 0 && isInNetwork(host, name, isIP(name) === 4 ? 32 : 128);
  const domain = name.replace(/^\*?\./, '').replace(/\.$/, '');
  return domain !== '' && (host === domain || host.endsWith(`.${domain}`));
}

function split(entry: string): [name: string, port: string | null] {
  const bracketed = /^\[(.*)\](?::(\d+))?$/.exec(entry);
  if (bracketed !== null) return [bracketed[1] ?? '', bracketed[2] ?? null];
  if (isIP(entry) === 6) return [entry, null];
  const [, name = entry, port = null] = /^(.*):(\d+)$/.exec(entry) ?? [];
  return [name, port];
}

function isInNetwork(host: string, address: string, bits: number): boolean {
  const family = isIP(address);
  if (family === 0 || isIP(host) === 0 || bits > (family === 4 ? 32 : 128)) return false;
  const list = new BlockList();
  list.addSubnet(address, bits, family === 4 ? 'ipv4' : 'ipv6');
  return list.check(host, isIP(host) === 4 ? 'ipv4' : 'ipv6');
}
