/** Who is asking. */
export interface User {
  uuid: string;
  isAdmin: boolean;
  isActive: boolean;
  username: string;
  fullName: string;
}

/** A token that the authority accepts, and what it opens. */
export interface Account {
  /** Null for a token of a cluster whose scopes do not let us ask whose it is. */
  user: User | null;
  /** `["all"]`, or what keep-web.md 10.7 says. */
  scopes: string[];
  /** Null for the root token. */
  tokenUuid: string | null;
  /** Unix milliseconds, or null when the token does not expire. */
  expiresAt: number | null;
}

/** Whoever knows which tokens are good: our own D1, or the cluster's API server. */
export interface Authority {
  /**
   * Null for a token that is unknown, revoked or expired.
   * @throws KeepError bad_gateway or unavailable when the authority cannot be asked
   */
  identify(token: string, signal?: AbortSignal): Promise<Account | null>;
}
