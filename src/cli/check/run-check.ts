import { bareLocator, parseLocator } from '../../keep/locator.ts';
import { allRecords } from '../all-records.ts';
import { loadManifest, locatorsIn } from '../collection.ts';
import { messageOf } from '../commands/doctor-checks.ts';
import { formatBytes, plural } from '../human-format.ts';
import { showProgress } from '../progress.ts';
import type { Session } from '../session.ts';
import type { CheckState } from './check-state.ts';

export interface CheckOptions {
  session: Session;
  state: CheckState;
  /** Empty: all that the token may read. */
  uuids: readonly string[];
  whole: boolean;
  /** Blocks that are read and hashed beside being asked for. */
  sample: number;
  jobs: number;
  quiet: boolean;
}

interface Candidate {
  locator: string;
  collection: string;
}

/** Looks at the blocks of collections. What it finds is in `state`. */
export async function runCheck({ session, state, uuids, whole, sample, jobs, quiet }: CheckOptions): Promise<void> {
  const { api, keep } = session;
  let at = '';
  const progress = showProgress(
    () => ({
      bytesDone: state.counts.bytes,
      bytesTotal: null,
      bytesMoved: state.counts.bytes,
      note: `${plural(state.counts.collections, 'collection')}, ${plural(state.counts.blocks, 'block')}, ${state.lost.length} lost ${at}`,
    }),
    { quiet },
  );
  const chosen: Candidate[] = [];
  let seen = 0;
  /** Each block has the same chance to be in the sample. */
  const consider = (candidate: Candidate) => {
    seen++;
    if (chosen.length < sample) chosen.push(candidate);
    else {
      const place = Math.floor(Math.random() * seen);
      if (place < sample) chosen[place] = candidate;
    }
  };
  try {
    for await (const uuid of uuids.length > 0 ? uuids : everyUuid()) {
      if (state.hasCollection(uuid)) continue;
      at = uuid;
      const manifest = await loadManifest(api, uuid).then(
        (loaded) => loaded.manifest,
        (error: unknown) => {
          progress.say(`${uuid} cannot be read: ${messageOf(error)}`);
          return null;
        },
      );
      const wanted = new Map<string, string>();
      if (manifest !== null)
        locatorsIn(manifest, (locator) => {
          const { hash } = parseLocator(locator);
          if (!state.hasBlock(hash)) wanted.set(hash, locator);
        });
      await inLanes([...wanted.values()], jobs, async (locator) => {
        const candidate = { locator, collection: uuid };
        if (await look(candidate, whole)) consider(candidate);
      });
      state.collection(uuid, manifest !== null);
    }
    if (!whole) await inLanes(chosen, jobs, (candidate) => look(candidate, true).then(() => undefined));
  } finally {
    progress.stop();
  }

  async function* everyUuid(): AsyncGenerator<string, void, undefined> {
    for await (const { uuid } of allRecords(api, 'collections', { select: ['uuid'] })) yield String(uuid);
  }

  /** @returns whether it is good */
  async function look({ locator, collection }: Candidate, read: boolean): Promise<boolean> {
    const { hash, size } = parseLocator(locator);
    try {
      if (read) await keep.getVerified(locator);
      else {
        const facts = await keep.head(locator);
        if (size !== null && facts.size !== null && facts.size !== size)
          throw new Error(`it has ${formatBytes(facts.size)}`);
      }
      state.block(hash, size ?? 0, read);
      if (read) state.counts.read += whole ? 0 : 1;
      return true;
    } catch (error) {
      state.block(hash, size ?? 0, read);
      const lost = { locator: bareLocator(locator), collection, what: messageOf(error) };
      state.loss(lost);
      progress.say(`LOST ${lost.locator}, of ${collection}: ${lost.what}`);
      return false;
    }
  }
}

async function inLanes<T>(items: readonly T[], lanes: number, work: (item: T) => Promise<void>): Promise<void> {
  const remaining = items[Symbol.iterator]();
  const lane = async () => {
    for (const item of remaining) await work(item);
  };
  await Promise.all(Array.from({ length: lanes }, lane));
}
