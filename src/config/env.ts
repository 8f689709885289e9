/** The Worker's bindings before they are checked: vars and secrets arrive as unknown values, config/config.ts judges them. */
export interface Env {
  DIRECTORY?: KVNamespace;
  DB?: D1Database;
  /** Logs and uploads; DB where it is missing. */
  LOGS_DB?: D1Database;
  /** The search index; searches look at every record where it is missing. */
  SEARCH?: D1Database;
  MANIFESTS?: R2Bucket;
  /** Where bodies of unknown hash are set aside in proxy mode. */
  STAGING?: R2Bucket;
  /** Scripts of the pages; without it pages work as far as they do without scripts. */
  ASSETS?: Fetcher;
  PULL_QUEUE?: DurableObjectNamespace;
  TRASH_QUEUE?: DurableObjectNamespace;
  REPAIR_QUEUE?: DurableObjectNamespace;
  BALANCER?: DurableObjectNamespace;
  COLLECTION?: DurableObjectNamespace;
  /** Figures of all isolates; those of the one that answers where it is missing. */
  FIGURES?: DurableObjectNamespace;
  /** Requests of one token, of one address, without a token of one address, and with wrong tokens of one address. */
  LIMIT_TOKENS?: RateLimit;
  LIMIT_ADDRESSES?: RateLimit;
  LIMIT_ANONYMOUS?: RateLimit;
  LIMIT_WRONG_TOKENS?: RateLimit;
  /** Events on their way to WEBHOOKS. */
  WEBHOOK_QUEUE?: DurableObjectNamespace;
  /** The map of gateways, in shards. */
  PLACES?: DurableObjectNamespace;
  ADOPTION?: DurableObjectNamespace;
  [name: string]: unknown;
}
