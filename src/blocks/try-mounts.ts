import { isKeepError, KeepError } from '../keep/errors.ts';
import { mountOrder } from '../keep/rendezvous.ts';
import type { Mount } from '../storage/mounts.ts';
import type { Hedging } from './hedging.ts';

/** What an attempt at one mount may use. */
export interface Attempt {
  mount: Mount;
  /** The client's signal; it also aborts when another mount was faster. */
  signal: AbortSignal | undefined;
  /** UUIDs of mounts that have said that they do not have the block. */
  missed: ReadonlySet<string>;
}

export interface Trial<Result> {
  mounts: readonly Mount[];
  /** Asked after all of them, unless one knows the block. */
  last: readonly Mount[];
  hash: string;
  signal: AbortSignal | undefined;
  /** Null: a slow mount is waited for. */
  hedging: Hedging | null;
  /** One mount's answer; null when it does not have the block. */
  attempt(attempt: Attempt): Promise<Result | null>;
  /** Lets go of an answer that came too late. */
  discard(result: Result): void;
  /** A copy that is known to be bad, while another mount's is good. */
  onCorrupt(mount: Mount): void;
  onHedged?: (outcome: 'won' | 'lost') => void;
}

/** A mount that is being asked. */
interface Lane<Result> {
  mount: Mount;
  isHedge: boolean;
  startedAt: number;
  stop: AbortController | null;
  ended: Promise<Ended<Result>>;
}

interface Ended<Result> {
  lane: Lane<Result>;
  result: Result | null;
  error?: unknown;
}

/**
 * The answer of the first mount that has a good copy: in the block's order, the next one on a miss, an error, or a copy
 * that is known to be bad, and beside the first one when that is slow.
 * @throws KeepError `not_found` when every mount says so, else the last failure
 */
export async function tryMounts<Result>(trial: Trial<Result>): Promise<Result> {
  const { hash, mounts, last, signal, onCorrupt } = trial;
  const [only, another] = mounts;
  if (only !== undefined && another === undefined && last.length === 0) return alone(trial, only);
  const order = readOrder(hash, mounts);
  const hedging = order.length > 1 ? trial.hedging : null;
  hedging?.countRead();
  if (last.some(({ knows }) => knows?.(hash))) order.unshift(...last);
  else order.push(...last);
  const missed = new Set<string>();
  const corrupt: Mount[] = [];
  const lanes = new Set<Lane<Result>>();
  let failure: unknown = null;
  const begin = (isHedge: boolean) => {
    const mount = order.shift();
    if (mount === undefined) return;
    lanes.add(beginLane(trial, mount, missed, hedging !== null, isHedge));
  };
  try {
    for (begin(false); lanes.size > 0; ) {
      const ended = await nextEnd([...lanes], order.length > last.length ? hedging : null);
      if (ended === 'slow') {
        begin(true);
        continue;
      }
      const { lane, result, error } = ended;
      lanes.delete(lane);
      if (result !== null) {
        for (const mount of corrupt) onCorrupt(mount);
        if (lane.isHedge) trial.onHedged?.('won');
        return result;
      }
      if (error === undefined) missed.add(lane.mount.uuid);
      else if (isKeepError(error, 'client_gone') || signal?.aborted) throw error;
      else if (!isKeepError(error, 'not_found')) failure = error;
      if (isKeepError(error, 'corrupt')) corrupt.push(lane.mount);
      if (lanes.size === 0) begin(false);
    }
  } finally {
    for (const lane of lanes) leave(trial, lane, hedging);
  }
  throw failure ?? new KeepError('not_found');
}

/** The usual case, where nothing is to be chosen: as tryMounts. */
async function alone<Result>({ attempt, signal }: Trial<Result>, mount: Mount): Promise<Result> {
  const result = await attempt({ mount, signal, missed: NONE });
  if (result === null) throw new KeepError('not_found');
  return result;
}

const NONE: ReadonlySet<string> = new Set();

/** The block's order of mounts, and before each one the nearer mount that it names. */
function readOrder(hash: string, mounts: readonly Mount[]): Mount[] {
  const order: Mount[] = [];
  const add = (mount: Mount) => {
    if (!order.includes(mount)) order.push(mount);
  };
  for (const mount of mountOrder(hash, mounts)) {
    const near = mount.near === undefined ? undefined : mounts.find(({ uuid }) => uuid === mount.near);
    if (near !== undefined) add(near);
    add(mount);
  }
  return order;
}

function beginLane<Result>(
  { attempt, signal }: Trial<Result>,
  mount: Mount,
  missed: ReadonlySet<string>,
  isStoppable: boolean,
  isHedge: boolean,
): Lane<Result> {
  const stop = isStoppable ? new AbortController() : null;
  const own = stop === null ? signal : signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal]);
  const lane: Lane<Result> = {
    mount,
    isHedge,
    startedAt: Date.now(),
    stop,
    ended: attempt({ mount, signal: own, missed }).then(
      (result) => ({ lane, result }),
      (error: unknown) => ({ lane, result: null, error }),
    ),
  };
  return lane;
}

/** The next lane to end, or `slow` when the only one has taken too long and a second request may be made. */
async function nextEnd<Result>(lanes: Lane<Result>[], hedging: Hedging | null): Promise<Ended<Result> | 'slow'> {
  const [only, another] = lanes;
  const ends = lanes.map(({ ended }) => ended);
  if (hedging === null || only === undefined || another !== undefined) return Promise.race(ends);
  let timer: ReturnType<typeof setTimeout> | undefined;
  const { promise: slow, resolve } = Promise.withResolvers<'slow'>();
  timer = setTimeout(resolve, Math.max(0, only.startedAt + hedging.patience(only.mount.uuid) - Date.now()), 'slow');
  try {
    const first = await Promise.race([...ends, slow]);
    return first !== 'slow' || hedging.mayHedge() ? first : await Promise.race(ends);
  } finally {
    clearTimeout(timer);
  }
}

/** A lane that lost: how long it has taken so far is the least that it would have. */
function leave<Result>({ discard, onHedged }: Trial<Result>, lane: Lane<Result>, hedging: Hedging | null): void {
  hedging?.observe(lane.mount.uuid, Date.now() - lane.startedAt);
  if (lane.isHedge) onHedged?.('lost');
  lane.stop?.abort(new KeepError('client_gone'));
  void lane.ended.then(({ result }) => {
    if (result !== null) discard(result);
  });
}
