import { keepHints, type Locator } from '../keep/locator.ts';
import { serviceOrder } from '../keep/rendezvous.ts';
import { isGateway, type KeepService } from './keep-service.ts';

/** A service to ask, and the token to show there. */
export interface Target {
  url: string;
  token: string;
}

/** Where a `+K@xxxxx` hint leads; null when it is not to be followed. */
export type HintedCluster = (clusterId: string) => Target | null;

const CLUSTER_ID_LENGTH = 5;
const UUID_TAIL_LENGTH = 15;

/**
 * Services to ask for a block, best first: those that the locator's +K@ hints name, in the order of the hints, then
 * the others by weight. Hints that lead nowhere are skipped (docs/protocol/blocks.md#hints).
 */
export function readOrder(
  locator: Locator,
  services: readonly KeepService[],
  token: string,
  hintedCluster: HintedCluster,
): Target[] {
  const hinted = keepHints(locator).flatMap((hint): Target[] => {
    const elsewhere = hint.length === CLUSTER_ID_LENGTH ? hintedCluster(hint) : null;
    if (elsewhere !== null) return [elsewhere];
    return services.filter(({ uuid }) => uuid === hint).map(({ url }) => ({ url, token }));
  });
  const ordinary = byWeight(
    locator.hash,
    services.filter((service) => !isGateway(service)),
  ).map(({ url }) => ({ url, token }));
  const seen = new Set<string>();
  return [...hinted, ...ordinary].filter(({ url }) => !seen.has(url) && seen.add(url));
}

/** Services that a block may be written to, best first. Hints do not matter for writes. */
export function writeOrder(hash: string, services: readonly KeepService[]): KeepService[] {
  return byWeight(
    hash,
    services.filter((service) => !service.readOnly && !isGateway(service)),
  );
}

/**
 * Heaviest first, weighed by the last 15 characters of the uuid whatever its length, as the Python SDK does. Two records of
 * one address are one service.
 */
function byWeight(hash: string, services: readonly KeepService[]): KeepService[] {
  const byUrl = new Map([...services].reverse().map((service) => [service.url, service]));
  const weighed = [...byUrl.values()].map((service) => ({ uuid: service.uuid.slice(-UUID_TAIL_LENGTH), service }));
  return serviceOrder(hash, weighed).map(({ service }) => service);
}
