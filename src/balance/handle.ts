import type { Explanation } from './balancer.ts';
import type { LostBlock, Run } from './runs.ts';

export type Started = { ok: true; run: Run } | { ok: false; message: string };

export interface BalanceStatus {
  /** The run under way; null between runs. */
  current: Run | null;
  /** Newest first. */
  runs: Run[];
  /** Of the last run that came to its end. */
  lost: LostBlock[];
  unreadable: { uuid: string; problem: string }[];
}

/** The balancer as the rest of the service sees it: a Durable Object's methods, called from elsewhere. */
export interface Balancing {
  wake(): Promise<void>;
  status(): BalanceStatus | Promise<BalanceStatus>;
  start(isDry: boolean): Promise<Started>;
  confirm(): Promise<Started>;
  cancel(): Promise<Started>;
  /** @param hash 32 lowercase hex digits */
  explain(hash: string): Promise<Explanation>;
}

/** Null without the binding. A stub is good until its first failure: each use gets a new one. */
export function createBalancing(namespace: DurableObjectNamespace | undefined): (() => Balancing) | null {
  return namespace === undefined ? null : () => namespace.getByName('balancer') as unknown as Balancing;
}
