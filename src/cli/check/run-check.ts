import { plural } from '../../keep/human-format.ts';
import { bareLocator, parseLocator } from '../../keep/locator.ts';
import { allRecords } from '../all-records.ts';
import { loadManifest, locatorsIn } from '../collection.ts';
import { messageOf } from '../commands/doctor-checks.ts';
import { showProgress } from '../progress.ts';
import type { Session } from '../session.ts';
import { type BlockAt, type CheckState, openCheckState } from './check-state.ts';
import { judgeFailure } from './judge-failure.ts';
import { createSample } from './sample.ts';

export interface CheckOptions {
  session: Session;
  /** Where the check notes what it has done. */
  file: string;
  resume: boolean;
  /** Empty: all that the token may read. */
  uuids: readonly string[];
  /** Every block is read. */
  whole: boolean;
  /** Blocks that are read and hashed beside being asked for. */
  sample: number;
  jobs: number;
  quiet: boolean;
}

export interface CheckResult {
  state: CheckState;
  /** Blocks and collections that could not be looked at, with the reason; some of them. */
  notSeen: { subject: string; why: string }[];
  notSeenBlocks: number;
  notSeenCollections: number;
  /** Nothing answered any more: the rest was not tried. */
  isBroken: boolean;
}

const MAX_KEPT = 10_000;
/** After so many failures without a success in between nothing more is tried. */
const GIVE_UP_AFTER = 25;

/** Looks at the blocks of collections. */
export async function runCheck(options: CheckOptions): Promise<CheckResult> {
  const { session, uuids, whole, jobs } = options;
  const { api, keep } = session;
  const chosen = createSample<BlockAt>(whole ? 0 : options.sample);
  const state = await openCheckState(options.file, {
    resume: options.resume,
    onBlock: (block, isRead) => (isRead ? undefined : chosen.add(block)),
  });
  const result: CheckResult = { state, notSeen: [], notSeenBlocks: 0, notSeenCollections: 0, isBroken: false };
  const notSeenHashes = new Set<string>();
  const total = uuids.length > 0 ? uuids.length : await countOf();
  let failures = 0;
  let moved = 0;
  const progress = showProgress(
    () => ({
      bytesDone: state.counts.bytes,
      bytesTotal: null,
      bytesMoved: moved,
      note: [
        `${state.counts.collections.toLocaleString('en-US')} of ${plural(total, 'collection')}`,
        plural(state.counts.blocks, 'block'),
        `${state.counts.lost} lost`,
        `${result.notSeenBlocks} not reached`,
      ].join(', '),
    }),
    { quiet: options.quiet },
  );
  try {
    for await (const uuid of uuids.length > 0 ? uuids : everyUuid()) {
      if (result.isBroken) break;
      if (!state.hasCollection(uuid)) await lookAtCollection(uuid);
    }
    if (!result.isBroken) await readSample();
  } finally {
    progress.stop();
  }
  return result;

  async function countOf(): Promise<number> {
    const { items_available } = await api('arvados/v1/collections', { query: { limit: 0 } });
    return Number(items_available ?? 0);
  }

  async function* everyUuid(): AsyncGenerator<string, void, undefined> {
    for await (const { uuid } of allRecords(api, 'collections', { select: ['uuid'] })) yield String(uuid);
  }

  async function lookAtCollection(uuid: string): Promise<void> {
    const locators = await locatorsOf(uuid);
    if (locators === null) return;
    let isComplete = true;
    const wanted = [...locators].filter(([hash]) => !state.hasBlock(hash));
    await inLanes(wanted, jobs, async ([hash, locator]) => {
      if (result.isBroken || notSeenHashes.has(hash) || !(await look(locator, uuid, whole))) isComplete = false;
    });
    if (isComplete) state.collection(uuid);
  }

  /** Signed locators by hash; null when the collection cannot be read. */
  async function locatorsOf(uuid: string): Promise<Map<string, string> | null> {
    try {
      const { manifest } = await loadManifest(api, uuid);
      const locators = new Map<string, string>();
      locatorsIn(manifest, (locator) => locators.set(parseLocator(locator).hash, locator));
      return locators;
    } catch (error) {
      result.notSeenCollections++;
      tellNotSeen(uuid, messageOf(error));
      return null;
    }
  }

  /** Reads blocks of the sample; their signatures are of now. */
  async function readSample(): Promise<void> {
    const byCollection = new Map<string, BlockAt[]>();
    for (const block of chosen.items()) {
      const known = byCollection.get(block.collection);
      if (known === undefined) byCollection.set(block.collection, [block]);
      else known.push(block);
    }
    for (const [uuid, blocks] of byCollection) {
      const locators = await locatorsOf(uuid);
      await inLanes(blocks, jobs, async ({ hash }) => {
        const locator = locators?.get(hash);
        // Changed since: what it names now was not in the check.
        if (locator !== undefined && !result.isBroken) await look(locator, uuid, true);
      });
    }
  }

  /** @returns false when it cannot be said whether the block is there */
  async function look(locator: string, collection: string, read: boolean): Promise<boolean> {
    const { hash, size } = parseLocator(locator);
    const block = { hash, size: size ?? 0, collection };
    try {
      if (read) moved += (await keep.getVerified(locator)).byteLength;
      else await keep.head(locator);
      state.block(block, read);
      failures = 0;
      return true;
    } catch (error) {
      const judgement = judgeFailure(error);
      // The answer to HEAD has no words.
      if (judgement === 'not reached' && !read) return look(locator, collection, true);
      if (judgement === 'not reached') {
        notSeenHashes.add(hash);
        result.notSeenBlocks++;
        tellNotSeen(bareLocator(locator), messageOf(error));
        result.isBroken ||= ++failures >= GIVE_UP_AFTER;
        return false;
      }
      failures = 0;
      const what = judgement === 'missing' ? 'no service has it' : 'its content is wrong';
      const lost = { locator: bareLocator(locator), collection, what };
      state.loss(lost);
      state.block(block, read);
      progress.say(`LOST ${lost.locator}, of ${collection}: ${what}`);
      return true;
    }
  }

  function tellNotSeen(subject: string, why: string): void {
    if (result.notSeen.length < MAX_KEPT) result.notSeen.push({ subject, why });
    progress.say(`not looked at: ${subject}: ${why}`);
  }
}

async function inLanes<T>(items: readonly T[], lanes: number, work: (item: T) => Promise<void>): Promise<void> {
  const remaining = items[Symbol.iterator]();
  const lane = async () => {
    for (const item of remaining) await work(item);
  };
  await Promise.all(Array.from({ length: lanes }, lane));
}
