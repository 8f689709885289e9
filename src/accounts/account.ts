/** The user that a request acts as. */
export interface User {
  uuid: string;
  isAdmin: boolean;
  isActive: boolean;
  username: string;
  fullName: string;
}

/** An accepted token, its user and its scopes. */
export interface Account {
  /** Null for a cluster's token whose scopes do not let its user be read. */
  user: User | null;
  /** `["all"]`, or a method and a path each: docs/protocol/collections.md#tokens. */
  scopes: string[];
  /** Null for the root token. */
  tokenUuid: string | null;
  /** Unix milliseconds, or null when the token does not expire. */
  expiresAt: number | null;
}

/** Decides which tokens are good: our own D1, or the cluster's API server. */
export interface Authority {
  /**
   * Null for a token that is unknown, revoked or expired.
   * @throws KeepError bad_gateway or unavailable when the authority cannot be asked
   */
  identify(token: string, signal?: AbortSignal): Promise<Account | null>;
}
