import { createNodePlatform } from '../../../src/cli/node-platform.ts';
import {
  type ClientPlatform,
  createKeepClient,
  type KeepClient,
  type KeepClientOptions,
} from '../../../src/services/keep-client.ts';
import type { KeepService } from '../../../src/services/keep-service.ts';
import { fixedServices } from '../../../src/services/service-source.ts';
import type { TransportRequest } from '../../../src/services/transport.ts';
import { type KeepServer, startKeepServer } from '../../support/keep-server.ts';

export const TOKEN = 'v2/zzzzz-gj3su-077z32aux8dg2s1/3kg6k6lzmp9kj5cpkcoxie963cmvjahbt2fod9zru30k1jqdmi';

/** As many servers as asked for, in the order in which a client probes them for `hash`. */
export interface Ring extends AsyncDisposable {
  servers: KeepServer[];
  services: KeepService[];
  client(options?: Partial<KeepClientOptions>): KeepClient;
  /** The client's platform, telling of each request before it is sent. */
  platformWith(onSend: (request: TransportRequest) => void): ClientPlatform;
  /** Pauses that the client took, in milliseconds. */
  pauses: number[];
  /** Requests per server. */
  counts(): number[];
}

/** Type `disk` unless given. The first server is the first choice for every block: tails are tried until that is so. */
export async function startRing(count: number, hash: string, type = 'disk'): Promise<Ring> {
  const { writeOrder } = await import('../../../src/services/probe-order.ts');
  const servers = await Promise.all(Array.from({ length: count }, () => startKeepServer()));
  const unordered = servers.map((server, index) => ({
    uuid: `zzzzz-bi6l4-${index.toString(16).padStart(15, '0')}`,
    url: server.url,
    type,
    readOnly: false,
  }));
  const services = writeOrder(hash, unordered);
  const ordered = services.map(({ url }) => servers.find((server) => server.url === url) as KeepServer);
  const platform = createNodePlatform();
  const pauses: number[] = [];
  return {
    servers: ordered,
    services,
    pauses,
    counts: () => ordered.map(({ seen }) => seen.length),
    client: (options = {}) =>
      createKeepClient({
        services: fixedServices(services),
        token: TOKEN,
        platform,
        sleep: async (ms) => void pauses.push(ms),
        ...options,
      }),
    platformWith: (onSend) => ({
      ...platform,
      transport: {
        ...platform.transport,
        send(request) {
          onSend(request);
          return platform.transport.send(request);
        },
      },
    }),
    async [Symbol.asyncDispose]() {
      platform.close();
      await Promise.all(servers.map((server) => server.stop()));
    },
  };
}
