import { KeepError } from '../keep/errors.ts';
import { saltToken } from '../keep/token.ts';
import { createFailedWrites } from './failed-writes.ts';
import { createKeepClient, type KeepClient } from './keep-client.ts';
import { createProofs, type Proofs } from './proofs.ts';
import { REMOTE_RETRIES } from './retry.ts';
import type { ServiceDirectory } from './service-directory.ts';
import { fixedServices, type ServiceSource } from './service-source.ts';
import type { TransferLimits } from './transfer-limits.ts';
import { type BlockKeeper, createWorkerPlatform } from './worker-platform.ts';

/** The client for which another cluster is asked. */
export interface Caller {
  /** The request's first token, '' for none. */
  token: string;
  requestId: string;
  /** Unix seconds. */
  now: number;
  signal: AbortSignal;
}

/** A client of one other cluster, or of one named service, for one caller. */
export interface Remote {
  client: KeepClient;
  /** The token that it shows there. */
  token: string;
}

/** Keep clients of services outside this one. */
export interface Federation {
  /**
   * The services of a configured cluster, with the caller's token salted for it.
   * @throws KeepError no_token, unknown_remote, obsolete_token, bad_request
   */
  cluster(clusterId: string, caller: Caller): Remote;
  /** This cluster's own services, or the one at that address, with the caller's own token. @throws KeepError no_token */
  home(caller: Caller, service?: string): Remote;
  /** Where a `+K@xxxxx` hint leads; null when it is not followed: no address, or no token that may be salted for it. */
  hintedCluster(clusterId: string, caller: Caller): Remote | null;
  /**
   * Where a `+K@uuid` hint leads: a service of this cluster, so with the caller's own token. Null for an unknown uuid, and
   * for a gateway that is this service itself.
   */
  hintedService(uuid: string, caller: Caller): Promise<Remote | null>;
  /** Whether the UUID is that of a gateway that is this service itself. */
  isOwnService(uuid: string): boolean;
  proofs: Proofs;
}

export interface FederationOptions {
  clusterId: string;
  directory: ServiceDirectory;
  remoteClusterIds: readonly string[];
  /** `https://keep.*.arvadosapi.com`: the star stands for the cluster's id. Null: such hints are passed over. */
  hintUrl: string | null;
  keeper: BlockKeeper;
  limits: TransferLimits;
  /** UUIDs of this service's own gateways. */
  ownServices: readonly string[];
}

/** Sent with every request, so that services that follow hints don't ask each other in circles. */
export const VIA = '1.1 keep-edge';
/** Other keepproxies look for this name to detect loops. */
export const PROXY_VIA = 'HTTP/1.1 keepproxy';

const MAX_PROOFS = 10_000;
/** When a hinted service fails, the next hint or the local mounts are asked at once. */
const NO_RETRIES = { rounds: 1, firstPauseMs: 0, maxPauseMs: 0 };

export function createFederation(options: FederationOptions): Federation {
  const { clusterId: home, directory, hintUrl } = options;
  const platform = createWorkerPlatform(options.keeper);
  const failedWrites = createFailedWrites();
  const clientOf = (services: ServiceSource, token: string, { requestId }: Caller, isHinted: boolean, via = VIA) =>
    createKeepClient({
      services,
      token,
      platform,
      requestId,
      limits: options.limits,
      headers: { Via: via },
      retry: isHinted ? NO_RETRIES : REMOTE_RETRIES,
      failedWrites,
    });
  const only = (url: string, uuid: string) => fixedServices([{ uuid, url, type: 'proxy', readOnly: false }]);
  return {
    cluster(id, caller) {
      if (caller.token === '') throw new KeepError('no_token');
      if (!options.remoteClusterIds.includes(id)) throw new KeepError('unknown_remote');
      const token = saltToken(caller.token, id);
      return { token, client: clientOf(directory.services(id), token, caller, false) };
    },
    home(caller, service) {
      if (caller.token === '') throw new KeepError('no_token');
      const services = service === undefined ? directory.services(home) : only(service, service);
      return {
        token: caller.token,
        client: clientOf(services, caller.token, caller, service !== undefined, PROXY_VIA),
      };
    },
    hintedCluster(id, caller) {
      if (id === home || hintUrl === null || !/^[a-z0-9]{5}$/.test(id)) return null;
      const token = saltedOrNull(caller.token, id);
      if (token === null) return null;
      return { token, client: clientOf(only(hintUrl.replace('*', id), id), token, caller, true) };
    },
    isOwnService: (uuid) => options.ownServices.includes(uuid),
    async hintedService(uuid, caller) {
      if (options.ownServices.includes(uuid)) return null;
      const service = await directory.find(uuid);
      if (service === null) return null;
      return { token: caller.token, client: clientOf(only(service.url, uuid), caller.token, caller, true) };
    },
    proofs: createProofs(MAX_PROOFS),
  };
}

function saltedOrNull(token: string, clusterId: string): string | null {
  try {
    return saltToken(token, clusterId);
  } catch {
    return null;
  }
}
