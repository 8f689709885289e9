/** A role that a user is in, directly or through other roles, and the level that the way to it lets through. */
export interface Membership {
  uuid: string;
  level: number;
}

/** The user that a request acts as. */
export interface User {
  uuid: string;
  isAdmin: boolean;
  isActive: boolean;
  username: string;
  fullName: string;
  /** Roles that the user was in when the token was looked up; none when missing. */
  roles?: readonly Membership[];
  /** Whether users of this cluster see each other's records; not when missing. */
  seesUsers?: boolean;
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
