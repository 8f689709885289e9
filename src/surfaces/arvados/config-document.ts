import type { RequestContext } from '../../http/context.ts';
import { answer } from './answer.ts';
import type { EmbeddedApi } from './call.ts';
import { replicationTold } from './keep-services-handler.ts';

/** The public part of a cluster's config: the keys that clients read without checking that they exist. */
export async function configDocument(context: RequestContext, api: EmbeddedApi): Promise<Response> {
  const { facts } = api;
  const { url } = context;
  const here = { ExternalURL: `${url.origin}/` };
  const nowhere = { ExternalURL: '' };
  return answer({
    ClusterID: facts.clusterId,
    RemoteClusters: Object.fromEntries(facts.remoteClusters.map((id) => [id, { Host: '', Proxy: true }])),
    Services: {
      Controller: here,
      Keepproxy: here,
      WebDAV: here,
      WebDAVDownload: here,
      Websocket: nowhere,
      Workbench1: nowhere,
      Workbench2: nowhere,
    },
    StorageClasses: Object.fromEntries(
      Object.entries(facts.storageClasses).map(([name, { priority, default: isDefault }]) => [
        name,
        { Priority: priority, Default: isDefault },
      ]),
    ),
    Collections: {
      BlobSigningTTL: `${facts.blobSigningTtlSeconds}s`,
      CollectionVersioning: facts.versioning,
      DefaultReplication: await replicationTold(context, api),
      DefaultTrashLifetime: `${facts.trashLifetimeSeconds}s`,
      ForwardSlashNameSubstitution: '',
      TrustAllContent: false,
    },
    API: { MaxItemsPerResponse: 1000, MaxRequestSize: 0, UnfreezeProjectRequiresAdmin: false },
    Users: { AnonymousUserToken: facts.anonymousToken, SupportEmailAddress: '' },
    Login: { LoginCluster: '' },
    Volumes: {},
    Workbench: {},
    Containers: { ReserveExtraRAM: 0 },
  });
}
