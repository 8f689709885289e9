import { setTimeout as sleep } from 'node:timers/promises';
import type { Random } from '../fuzz/random.ts';
import { blockOf, md5, sign, type TestBlock } from '../support/keep.ts';
import { startKeepServer } from '../support/keep-server.ts';
import { type ListStatus, MOUNT } from '../support/queues.ts';
import type { TestService } from '../support/service.ts';
import { ask, bytesOf, type Ledger, refuse, TTL_SECONDS } from './ledger.ts';

/**
 * What keep-balance does while everything breaks: it writes blocks, lists old ones for trash and foreign ones for
 * pulling, and clients touch and rewrite some of them at the wrong moment. The expected state of each block is known.
 */
export interface Balance {
  /** Puts one trash list and one pull list. */
  putLists(): Promise<void>;
  /** Without any faults: both queues go on to their end, and every block is as it must be. */
  settle(): Promise<void>;
  tally: BalanceTally;
  stop(): Promise<void>;
}

export interface BalanceTally {
  /** Lists that were acknowledged. */
  lists: number;
  /** Lists that were not worked off when the fault was over. */
  interrupted: number;
  /** Blocks that had been listed and were found in trash, brought back from there, and read. */
  trashed: number;
  /** Blocks that were listed, but touched, rewritten or newer than listed, and were still there. */
  spared: number;
  /** Blocks that were fetched from another server, and read. */
  pulled: number;
}

/** stays: it may not go. goes, comes: once its list is worked off. unsure: whole, or not there. */
type Fate = 'stays' | 'goes' | 'comes' | 'unsure';

const NEW_BLOCKS = 12;
const PULLS = 8;
const MAX_BYTES = 20_000;
/** Entries without a block: they make a list long enough to be caught in the middle, and its length unlike any other's. */
const PADDING = 200;
const SETTLE_MS = 90_000;
const SECOND_NS = 1_000_000_000n;

/** @param isStrict every list that was acknowledged is done as it says, because only the process fails, not its stores */
export async function startBalance(
  service: TestService,
  random: Random,
  ledger: Ledger,
  { isStrict, mount = MOUNT }: { isStrict: boolean; mount?: string },
): Promise<Balance> {
  /** Written and acknowledged, on no list yet, and when. */
  const stock = new Map<TestBlock, number>();
  const fates = new Map<string, { block: TestBlock; fate: Fate; list: 'pull' | 'trash' }>();
  const foreign = new Map<string, Uint8Array>();
  /** Lengths of the lists that may be in force. */
  const inForce: Record<'pull' | 'trash', number[]> = { pull: [0], trash: [0] };
  const tally: BalanceTally = { lists: 0, interrupted: 0, trashed: 0, spared: 0, pulled: 0 };
  let serial = 0;
  const source = await startKeepServer(async ({ url = '' }) => {
    await sleep(random.below(20));
    const data = foreign.get(url.slice(1, 33));
    return data === undefined
      ? { status: 404 }
      : { status: 200, headers: { 'Content-Length': String(data.length) }, body: data };
  });
  const find = (what: string) => void ledger.findings.push(what);
  const absent = () => blockOf(bytesOf(random, 20)).locator;
  const withoutData = (block: TestBlock): TestBlock => ({ ...block, data: new Uint8Array() });

  async function write(block: TestBlock): Promise<boolean> {
    const answer = await ask(service.url, `/${block.hash}`, { method: 'PUT', body: block.data });
    if (answer?.status !== 200) refuse(ledger, 'write', answer);
    return answer?.status === 200;
  }

  async function index(): Promise<Map<string, bigint> | null> {
    const answer = await ask(service.url, '/index');
    if (answer?.status !== 200) {
      refuse(ledger, 'index', answer);
      return null;
    }
    if (!/(^|\n)\n$/.test(answer.text)) return null;
    const lines = answer.text.split('\n').filter((line) => line !== '');
    return new Map(lines.map((line) => [line.split(' ')[0] ?? '', BigInt(line.split(' ')[1] ?? '0')]));
  }

  /** Puts a list of a length of its own; what was to become of the blocks of the one before is open again, unless this one was refused. */
  async function put(kind: 'pull' | 'trash', entries: string[]): Promise<boolean> {
    const answer = await ask(service.url, `/${kind}`, { method: 'PUT', body: `[${entries.join(',')}]` });
    if (answer?.status === 200) {
      tally.lists++;
      inForce[kind] = [entries.length];
    } else {
      refuse(ledger, `${kind} list`, answer);
      inForce[kind].push(entries.length);
    }
    for (const known of fates.values()) if (known.list === kind && known.fate !== 'stays') known.fate = 'unsure';
    return answer?.status === 200;
  }

  const trashItem = (locator: string, mtime: bigint) =>
    `{"locator":"${locator}","block_mtime":${mtime},"mount_uuid":"${mount}"}`;

  async function touch(block: TestBlock): Promise<Fate> {
    const headers = { 'X-HTTP-Method-Override': 'TOUCH' };
    const answer = await ask(service.url, `/${block.hash}`, { method: 'POST', headers });
    if (answer?.status === 200) return 'stays';
    if (answer?.status !== 404) refuse(ledger, 'touch', answer);
    return 'unsure';
  }

  /** What happens to a block between the making of the list and its arrival, and the time that the list gives for it. */
  async function prepare(block: TestBlock, listed: bigint): Promise<{ fate: Fate; asListed: bigint }> {
    switch (random.below(8)) {
      case 0:
      case 1:
        return { fate: await touch(block), asListed: listed };
      case 2:
        return { fate: (await write(block)) ? 'stays' : 'unsure', asListed: listed };
      case 3:
        return { fate: 'stays', asListed: listed - SECOND_NS };
      default:
        return { fate: 'goes', asListed: listed };
    }
  }

  async function putTrash(): Promise<void> {
    const times = await index();
    if (times === null) return;
    const old = [...stock].filter(([, at]) => Date.now() - at > (TTL_SECONDS + 1) * 1000).map(([block]) => block);
    const mtime = times.values().next().value ?? 0n;
    const items = Array.from({ length: PADDING + ++serial }, () => trashItem(absent(), mtime));
    const planned: { block: TestBlock; fate: Fate }[] = [];
    for (const block of old) {
      stock.delete(block);
      const listed = times.get(block.locator);
      if (listed === undefined) {
        find(`a complete index lacks ${block.locator}, which is on no list`);
        continue;
      }
      const { fate, asListed } = await prepare(block, listed);
      planned.push({ block: withoutData(block), fate });
      items.splice(random.below(items.length), 0, trashItem(block.locator, asListed));
    }
    const isTaken = await put('trash', items);
    for (const { block, fate } of planned)
      fates.set(block.locator, {
        block,
        fate: fate === 'goes' && !(isTaken && isStrict) ? 'unsure' : fate,
        list: 'trash',
      });
    // A touch that is acknowledged counts, even while the queue is at this very block.
    for (const { block, fate } of planned) {
      if (fate !== 'goes' || !random.oneIn(4)) continue;
      // One whose answer got lost may have counted or not.
      fates.set(block.locator, { block, fate: await touch(block), list: 'trash' });
    }
  }

  async function putPull(): Promise<void> {
    const wanted = Array.from({ length: PULLS }, () => blockOf(bytesOf(random, 1 + random.below(MAX_BYTES))));
    for (const { hash, data } of wanted) foreign.set(hash, data);
    const locators = [...wanted.map(({ locator }) => locator), ...Array.from({ length: ++serial }, absent)];
    const items = locators.map((locator) => JSON.stringify({ locator, servers: [source.url], mount_uuid: mount }));
    const isTaken = await put('pull', items);
    for (const block of wanted)
      fates.set(block.locator, {
        block: withoutData(block),
        fate: isTaken && isStrict ? 'comes' : 'unsure',
        list: 'pull',
      });
  }

  async function isWhole({ locator, hash }: TestBlock): Promise<boolean> {
    const answer = await ask(service.url, `/${sign(locator, { ttlSeconds: TTL_SECONDS })}`);
    if (answer?.status === 200 && md5(answer.body) === hash) return true;
    if (answer?.status !== 404) find(`${locator}, which was on a list, reads as ${answer?.status}`);
    return false;
  }

  async function judge(block: TestBlock, fate: Fate, list: 'pull' | 'trash'): Promise<void> {
    const { locator, hash } = block;
    const isThere = await isWhole(block);
    if (list === 'pull') {
      if (isThere) tally.pulled++;
      else if (fate === 'comes') find(`${locator} was to be pulled, and is not there`);
      return;
    }
    if (isThere) {
      if (fate === 'goes') find(`${locator} was to be trashed, and is still there`);
      if (fate === 'stays') tally.spared++;
      return;
    }
    if (fate === 'stays') return find(`${locator} was touched, rewritten or newer than listed, and is gone`);
    const answer = await ask(service.url, `/untrash/${hash}`, { method: 'PUT' });
    if (answer?.status === 200 && (await isWhole(block))) tally.trashed++;
    else find(`${locator} was trashed, and does not come back: ${answer?.status}`);
  }

  async function statusOf(kind: 'pull' | 'trash'): Promise<ListStatus | string> {
    const answer = await ask(service.url, `/${kind}`);
    return answer?.status === 200 ? (JSON.parse(answer.text) as ListStatus) : `${answer?.status} ${answer?.text}`;
  }

  async function finish(kind: 'pull' | 'trash'): Promise<void> {
    const until = Date.now() + SETTLE_MS;
    for (;;) {
      const status = await statusOf(kind);
      if (typeof status !== 'string' && status.pending + status.inProgress === 0) {
        if (!inForce[kind].includes(status.list.entries))
          find(`a ${kind} list of ${status.list.entries} entries is in force, not of ${inForce[kind].join(' or ')}`);
        inForce[kind] = [status.list.entries];
        return;
      }
      if (Date.now() > until) return find(`the ${kind} queue does not go on: ${JSON.stringify(status)}`);
      await sleep(50);
    }
  }

  return {
    tally,
    async putLists() {
      for (let i = 0; i < NEW_BLOCKS; i++) {
        const block = blockOf(bytesOf(random, 1 + random.below(MAX_BYTES)));
        if (await write(block)) stock.set(block, Date.now());
      }
      await putTrash();
      await putPull();
    },
    async settle() {
      for (const status of await Promise.all([statusOf('pull'), statusOf('trash')]))
        if (typeof status !== 'string' && status.pending > 0) tally.interrupted++;
      await service.scheduled();
      await Promise.all([finish('pull'), finish('trash')]);
      for (const { block, fate, list } of fates.values()) await judge(block, fate, list);
      fates.clear();
    },
    stop: () => source.stop(),
  };
}
