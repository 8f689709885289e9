import * as v from 'valibot';

/** Another cluster that this one reads from. */
export interface RemoteCluster {
  /** Origin of its API server, without a trailing slash. */
  apiUrl: string;
}

/** The cluster's RemoteClusters entry. Fields that are not used here (Proxy, ActivateUsers) are accepted. */
const Remote = v.pipe(
  v.looseObject({
    Host: v.pipe(v.optional(v.string(), ''), v.regex(/^[^/@\s]+$/, 'write host or host:port of its API server')),
    Scheme: v.optional(
      v.picklist(['https', 'http', ''], 'write "https" (or "http" for tests on one machine)'),
      'https',
    ),
    Insecure: v.optional(v.boolean(), false),
  }),
  v.check(
    ({ Insecure, Scheme }) => !Insecure || Scheme === 'http',
    'Insecure is not possible here: Workers always check certificates',
  ),
);

/** Reads the REMOTE_CLUSTERS table by cluster id; what is wrong goes into `problems`. Keep does not use the `*` entry. */
export function parseRemoteClusters(table: unknown, problems: string[]): Record<string, RemoteCluster> {
  const remotes: Record<string, RemoteCluster> = {};
  if (typeof table !== 'object' || table === null || Array.isArray(table)) {
    problems.push('REMOTE_CLUSTERS: write one TOML table per cluster, named by its id');
    return remotes;
  }
  for (const [id, entry] of Object.entries(table)) {
    if (id === '*') continue;
    if (!/^[a-z0-9]{5}$/.test(id)) problems.push(`REMOTE_CLUSTERS.${id}: a cluster's id has five letters or digits`);
    const remote = v.safeParse(Remote, entry);
    if (remote.success) remotes[id] = { apiUrl: `${remote.output.Scheme || 'https'}://${remote.output.Host}` };
    else {
      for (const issue of remote.issues)
        problems.push(`REMOTE_CLUSTERS.${[id, v.getDotPath(issue)].filter(Boolean).join('.')}: ${issue.message}`);
    }
  }
  return remotes;
}
