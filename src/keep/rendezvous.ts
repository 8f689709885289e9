import { md5Hex } from './md5.ts';

const UUID_LENGTH = 27;
const UUID_TAIL_LENGTH = 15;

/**
 * The order in which a Keep service tries its mounts: highest priority first, then lowest weight first. The opposite of
 * the clients' order of services.
 */
export function mountOrder<Mount extends { uuid: string; priority: number }>(
  hash: string,
  mounts: readonly Mount[],
): Mount[] {
  if (mounts.length < 2) return [...mounts];
  return byWeight(hash, mounts)
    .sort((a, b) => b.item.priority - a.item.priority || compare(a.weight, b.weight))
    .map(({ item }) => item);
}

/**
 * The order in which clients probe Keep services: highest weight first. The sources of a pull are ordered alike, with
 * the server's URL in place of the uuid.
 */
export function serviceOrder<Service extends { uuid: string }>(hash: string, services: readonly Service[]): Service[] {
  return byWeight(hash, services)
    .sort((a, b) => compare(b.weight, a.weight))
    .map(({ item }) => item);
}

function byWeight<Item extends { uuid: string }>(hash: string, items: readonly Item[]) {
  return items.map((item) => ({ item, weight: md5Hex(hash + tail(item.uuid)) }));
}

/** The last 15 characters of a proper uuid; anything else is weighed whole, as the Go programs do. */
function tail(uuid: string): string {
  return uuid.length === UUID_LENGTH ? uuid.slice(-UUID_TAIL_LENGTH) : uuid;
}

function compare(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
