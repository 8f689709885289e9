import { serviceOrder } from '../keep/rendezvous.ts';

export interface PullServers {
  /** Base URLs without a trailing slash, best first. */
  usable: string[];
  /** Why the others are not asked, one line each. */
  refused: string[];
}

/**
 * The servers of a pull, in the order in which keepstore asks them. An address must be plain http or https without
 * credentials. `hosts` are the hosts allowed (PULL_HOSTS), each with or without a port.
 * @param hosts empty: all
 */
export function pullServers(hash: string, servers: readonly string[], hosts: readonly string[]): PullServers {
  const refused: string[] = [];
  const usable = servers.filter((server) => {
    const problem = problemWith(server, hosts);
    if (problem !== null) refused.push(`${hostOf(server.slice(0, MAX_ADDRESS_CHARS))}: ${problem}`);
    return problem === null;
  });
  const ordered = serviceOrder(
    hash,
    [...new Set(usable)].map((uuid) => ({ uuid })),
  );
  return { usable: ordered.map(({ uuid }) => uuid.replace(/(?<!\/)\/+$/, '')), refused };
}

/** Of an address; what comes with a list may be a megabyte of slashes. */
const MAX_ADDRESS_CHARS = 2048;

function problemWith(server: string, hosts: readonly string[]): string | null {
  if (server.length > MAX_ADDRESS_CHARS) return `longer than ${MAX_ADDRESS_CHARS} characters`;
  const url = URL.parse(server);
  if (url === null) return 'not a URL';
  if (url.protocol !== 'http:' && url.protocol !== 'https:') return 'neither http nor https';
  if (url.username !== '' || url.password !== '') return 'credentials have no place in an address';
  if (server.includes('?') || server.includes('#')) return 'not a base address';
  if (hosts.length > 0 && !hosts.includes(url.host) && !hosts.includes(url.hostname)) return 'not in PULL_HOSTS';
  return null;
}

/** The part of an address that may be logged. */
function hostOf(server: string): string {
  return URL.parse(server)?.host || 'server';
}
