/** Connections of one invocation that may wait for an answer at the same time: the platform's limit. */
export const MAX_CONNECTIONS = 6;

/** Requests to stores and servers that one invocation makes: the platform allows 1,000. */
export const STORE_REQUESTS_PER_ALARM = 800;
