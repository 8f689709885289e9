import { md5Hex } from '../keep/md5.ts';
import type { Wants } from './references.ts';

/** A place where copies can be: a mount, each device once. */
export interface Place {
  uuid: string;
  /** Service that has it; mounts of one service share it. */
  server: string;
  replication: number;
  classes: string[];
  allowWrite: boolean;
  allowTrash: boolean;
}

/** A copy that is there. */
export interface Copy {
  place: Place;
  /** Unix seconds. */
  mtime: number;
}

export interface Decision {
  /** Copies to trash. */
  trash: Copy[];
  /** Places that should get a copy. */
  pull: Place[];
  /** Wanted, and no copy anywhere. */
  isLost: boolean;
  /** Fewer copies than wanted in some class. */
  isUnderreplicated: boolean;
  /** Copies over all places that are there now. */
  copies: number;
  /** Copies there are now by class. */
  perClass: Record<string, number>;
}

/** The most that any collection wants, by class. */
export function wantedPerClass(wants: readonly Wants[]): Record<string, number> {
  const wanted: Record<string, number> = {};
  for (const { copies, classes } of wants) {
    for (const name of classes) wanted[name] = Math.max(wanted[name] ?? 0, copies);
  }
  return wanted;
}

/**
 * What happens to one block: the rules of keep-balance. Copies in wanted places stay or are made; of the others those
 * go that are older than `minMtime`, unless the block has too few copies, or their time equals that of a needed copy (the
 * two may be the same bytes seen twice).
 *
 * @param wanted copies by class; empty when no collection names the block
 * @param minMtime Unix seconds: a copy of this time or later is never trashed
 */
export function decide(
  hash: string,
  wanted: Record<string, number>,
  copies: readonly Copy[],
  places: readonly Place[],
  minMtime: number,
): Decision {
  const servers = serverRanks(hash, places);
  const rank = ({ server }: Place) => servers.get(server) ?? 0;
  const slots = places.map((place): Slot => {
    const copy = copies.find((candidate) => candidate.place === place);
    return new Slot(hash, place, copy);
  });
  const classes = Object.keys(wanted)
    .filter((name) => (wanted[name] ?? 0) > 0)
    .sort();
  const perClass = copiesPerClass(copies);
  const neededTimes = new Set<number>();
  for (const name of classes) {
    for (const time of allot(slots, name, wanted[name] ?? 0, rank)) neededTimes.add(time);
  }
  const isUnderreplicated = classes.some((name) => (perClass[name] ?? 0) < (wanted[name] ?? 0));
  for (const slot of slots) {
    if (slot.copy !== undefined && (isUnderreplicated || neededTimes.has(slot.copy.mtime))) slot.isWanted = true;
  }
  slots.sort((a, b) => rank(a.place) - rank(b.place) || compareText(a.weight, b.weight));
  const unwanted = slots.flatMap(({ copy, isWanted }) => (copy !== undefined && !isWanted ? [copy] : []));
  const missing = slots.flatMap(({ place, copy, isWanted }) => (copy === undefined && isWanted ? [place] : []));
  const isLost = copies.length === 0 && classes.length > 0;
  return {
    trash: oncePerTime(unwanted.filter(({ mtime }) => mtime < minMtime)),
    pull: isLost ? [] : missing.filter(({ allowWrite }) => allowWrite),
    isLost,
    isUnderreplicated,
    copies: copies.reduce((sum, { place }) => sum + place.replication, 0),
    perClass,
  };
}

class Slot {
  readonly place: Place;
  readonly copy: Copy | undefined;
  isWanted: boolean;
  readonly #hash: string;
  #weight: string | null = null;

  constructor(hash: string, place: Place, copy: Copy | undefined) {
    this.#hash = hash;
    this.place = place;
    this.copy = copy;
    this.isWanted = copy !== undefined && !place.allowTrash;
  }

  /** Spreads blocks evenly over the places of a server. Seldom needed, and an MD5 each. */
  get weight(): string {
    this.#weight ??= md5Hex(this.#hash + this.place.uuid);
    return this.#weight;
  }
}

/**
 * Marks the best places for one class and returns the times of copies that must stay while it is put into effect. Different servers come
 * first; only then may one server hold a second copy.
 */
function allot(slots: Slot[], name: string, desired: number, rank: (place: Place) => number): Set<number> {
  const has = ({ classes }: Place) => classes.includes(name);
  const order = [...slots].sort(
    (a, b) =>
      Number(has(b.place)) - Number(has(a.place)) ||
      Number(b.isWanted) - Number(a.isWanted) ||
      rank(a.place) - rank(b.place) ||
      Number(b.copy !== undefined) - Number(a.copy !== undefined) ||
      compareText(a.weight, b.weight),
  );
  const usedServers = new Set<string>();
  const used = new Set<Slot>();
  const kept = new Set<Slot>();
  const times = new Set<number>();
  let allotted = 0;
  let protectedCopies = 0;
  const isDone = () => allotted >= desired && protectedCopies >= desired;
  const take = (slot: Slot) => {
    if (used.has(slot)) return;
    const { place, copy } = slot;
    if (protectedCopies < desired && copy !== undefined && !kept.has(slot)) {
      times.add(copy.mtime);
      kept.add(slot);
      protectedCopies += place.replication;
    }
    if (allotted < desired && (copy !== undefined || place.allowWrite)) {
      slot.isWanted = true;
      usedServers.add(place.server);
      used.add(slot);
      allotted += place.replication;
    }
  };
  for (const slot of order) if (!isDone() && !usedServers.has(slot.place.server)) take(slot);
  for (const slot of order) if (!isDone()) take(slot);
  for (const { copy } of used) if (copy !== undefined) times.add(copy.mtime);
  return times;
}

function compareText(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
/** Of copies with one and the same time at most one goes in a run. */
function oncePerTime(copies: Copy[]): Copy[] {
  const seen = new Set<number>();
  return copies.filter(({ mtime }) => !seen.has(mtime) && seen.add(mtime));
}

function copiesPerClass(copies: readonly Copy[]): Record<string, number> {
  const perClass: Record<string, number> = {};
  for (const { place } of copies) {
    for (const name of place.classes) perClass[name] = (perClass[name] ?? 0) + place.replication;
  }
  return perClass;
}

/** Rank of each server in the order in which clients probe for this block. */
function serverRanks(hash: string, places: readonly Place[]): Map<string, number> {
  const names = [...new Set(places.map(({ server }) => server))];
  if (names.length === 1) return new Map();
  const weighed = names.map((name) => ({ name, weight: md5Hex(hash + name.slice(-15)) }));
  weighed.sort((a, b) => (a.weight > b.weight ? -1 : 1));
  return new Map(weighed.map(({ name }, rank) => [name, rank]));
}
