import type { Random } from '../fuzz/random.ts';
import { blockOf, md5, sign, type TestBlock } from '../support/keep.ts';
import { ROOT_TOKEN } from '../support/service.ts';

/** What the service acknowledged, and whether it kept it. */
export interface Ledger {
  blocks: TestBlock[];
  /** UUID and the block of its one file. */
  collections: { uuid: string; hash: string; block: TestBlock; file: string }[];
  requests: number;
  refused: Record<string, number>;
  /** Findings: what must not happen under any fault. */
  findings: string[];
}

export function createLedger(): Ledger {
  return { blocks: [], collections: [], requests: 0, refused: {}, findings: [] };
}

/** Of BLOB_SIGNING_TTL while faults are injected: blocks grow old enough for trash in no time. */
export const TTL_SECONDS = 1;
/** Statuses of a store that cannot answer, or whose answer is wrong: no fault may look like the client's own mistake, like lost data, or like a bug. */
const HONEST = [502, 503, 507];

export interface Answered {
  status: number;
  headers: Headers;
  body: Uint8Array;
  text: string;
}

/** The answer; null when the connection broke, as it may at any time. */
export async function ask(
  url: string,
  path: string,
  init: { method?: string; body?: Uint8Array | string; headers?: Record<string, string> } = {},
): Promise<Answered | null> {
  try {
    const response = await fetch(`${url}${path}`, {
      ...(init as RequestInit),
      headers: { authorization: `Bearer ${ROOT_TOKEN}`, ...init.headers },
      signal: AbortSignal.timeout(HANG_MS),
    });
    const body = new Uint8Array(await response.arrayBuffer());
    return { status: response.status, headers: response.headers, body, text: new TextDecoder().decode(body) };
  } catch (error) {
    if (error instanceof DOMException && error.name === 'TimeoutError') throw new Error(`${path} hangs`);
    return null;
  }
}
const HANG_MS = 90_000;

export const bytesOf = (random: Random, size: number): Uint8Array => {
  const data = new Uint8Array(size);
  for (let i = 0; i < Math.min(size, 64); i++) data[i] = random.below(256);
  for (let i = 64; i < size; i++) data[i] = (i * 31 + (data[i % 64] ?? 0)) & 255;
  return data;
};

/** Counts a request that was not done; its status must say so in the right way. */
export function refuse(ledger: Ledger, what: string, answer: Answered | null): void {
  const status = answer === null ? 'broken off' : String(answer.status);
  ledger.refused[status] = (ledger.refused[status] ?? 0) + 1;
  if (answer === null) return;
  const isHonest = HONEST.includes(answer.status) && (answer.status !== 503 || answer.headers.has('retry-after'));
  if (!isHonest) ledger.findings.push(`${what}: ${answer.status} ${answer.text.slice(0, 200)}`);
}

const signed = (locator: string) => sign(locator, { ttlSeconds: TTL_SECONDS });
/** A text of more than a megabyte does not fit into a row of the database. */
const LARGE_MANIFEST_FILES = 30_000;

/** What else clients do to a service, beside actOnce's own. */
export type Act = (url: string, random: Random, ledger: Ledger) => Promise<void>;

/** One thing that a client does, chosen at random; what is acknowledged goes into the ledger. */
export async function actOnce(url: string, random: Random, ledger: Ledger, extras: Act[] = []): Promise<void> {
  ledger.requests++;
  if (extras.length > 0 && random.oneIn(5)) {
    await random
      .pick(extras)(url, random, ledger)
      .catch((error) => void ledger.findings.push(String(error)));
    return;
  }
  const known = ledger.blocks.length === 0 ? undefined : random.pick(ledger.blocks);
  const collection = ledger.collections.length === 0 ? undefined : random.pick(ledger.collections);
  try {
    switch (random.below(8)) {
      case 0:
      case 1:
      case 2: {
        const block = blockOf(bytesOf(random, 1 + random.below(random.oneIn(10) ? 3 << 20 : 100_000)));
        const answer = await ask(url, `/${block.hash}`, { method: 'PUT', body: block.data });
        if (answer?.status === 200) ledger.blocks.push({ ...block, data: new Uint8Array() });
        else refuse(ledger, 'write', answer);
        return;
      }
      case 3:
      case 4: {
        if (known === undefined) return;
        const answer = await ask(url, `/${signed(known.locator)}`);
        if (answer?.status !== 200) refuse(ledger, `read of acknowledged ${known.locator}`, answer);
        else if (md5(answer.body) !== known.hash) ledger.findings.push(`${known.locator} reads as other bytes`);
        return;
      }
      case 5: {
        if (known === undefined) return;
        const file = `f${random.below(1e9)}`;
        const size = known.locator.split('+')[1] ?? '0';
        const others = random.oneIn(8)
          ? Array.from({ length: LARGE_MANIFEST_FILES }, (_, i) => `0:0:another-file-of-the-many-${i}`)
          : [];
        const manifest = `. ${known.locator} 0:${size}:${file} ${others.join(' ')}`.trim();
        const record = JSON.stringify({
          collection: { manifest_text: `${manifest}\n`, name: `faults ${Math.random()}` },
        });
        const headers = { 'content-type': 'application/json' };
        const answer = await ask(url, '/arvados/v1/collections', { method: 'POST', body: record, headers });
        if (answer?.status !== 200) return refuse(ledger, 'save', answer);
        const made = JSON.parse(answer.text) as { uuid: string; portable_data_hash: string };
        ledger.collections.push({ uuid: made.uuid, hash: made.portable_data_hash, block: known, file });
        return;
      }
      case 6: {
        if (collection === undefined) return;
        const answer = await (random.oneIn(2)
          ? ask(url, `/arvados/v1/collections/${collection.uuid}`)
          : ask(url, `/c=${collection.uuid}/${collection.file}`));
        if (answer?.status !== 200) return refuse(ledger, `acknowledged collection ${collection.uuid}`, answer);
        const ok = answer.text.startsWith('{"')
          ? answer.text.includes(collection.hash)
          : md5(answer.body) === collection.block.hash;
        if (!ok) ledger.findings.push(`${collection.uuid} reads as something else`);
        return;
      }
      default: {
        const before = [...ledger.blocks];
        const prefix = random.below(16).toString(16);
        const answer = await ask(url, `/index/${prefix}`);
        if (answer?.status !== 200) return refuse(ledger, 'index', answer);
        if (!/(^|\n)\n$/.test(answer.text)) return;
        const listed = new Set(answer.text.split('\n').map((line) => line.split(' ')[0]));
        for (const { locator } of before)
          if (locator.startsWith(prefix) && !listed.has(locator))
            ledger.findings.push(`a complete index lacks ${locator}`);
      }
    }
  } catch (error) {
    ledger.findings.push(String(error));
  }
}

export interface Audit {
  blocks: number;
  collections: number;
  /** Names in the index, acknowledged or not; each was read. */
  listed: number;
  lost: string[];
}

/** Without any faults: everything acknowledged is there and whole, and so is everything that is listed. */
export async function audit(url: string, ledger: Ledger): Promise<Audit> {
  const lost: string[] = [];
  const blocks = new Map(ledger.blocks.map((block) => [block.locator, block.hash]));
  for (const [locator, hash] of blocks) {
    const answer = await ask(url, `/${signed(locator)}`);
    if (answer?.status !== 200 || md5(answer.body) !== hash) lost.push(`${locator}: ${answer?.status}`);
  }
  for (const { uuid, hash, block, file } of ledger.collections) {
    const record = await ask(url, `/arvados/v1/collections/${uuid}`);
    const content = await ask(url, `/c=${uuid}/${file}`);
    if (record?.status !== 200 || !record.text.includes(hash)) lost.push(`${uuid}: ${record?.status}`);
    if (content?.status !== 200 || md5(content.body) !== block.hash) lost.push(`${uuid}/${file}: ${content?.status}`);
  }
  const index = await ask(url, '/index');
  const listed = (index?.text ?? '').split('\n').filter((line) => line !== '');
  if (index?.status !== 200 || !/(^|\n)\n$/.test(index.text)) lost.push(`the index: ${index?.status}`);
  for (const line of listed) {
    const locator = line.split(' ')[0] ?? '';
    if (blocks.has(locator)) continue;
    const answer = await ask(url, `/${signed(locator)}`);
    if (answer?.status !== 200 || `${md5(answer.body)}+${answer.body.length}` !== locator)
      lost.push(`listed but not whole: ${locator}: ${answer?.status}`);
  }
  // What was never said to be stored may be missing from the index; what was said may not.
  const names = new Set(listed.map((line) => line.split(' ')[0]));
  for (const locator of blocks.keys()) if (!names.has(locator)) lost.push(`not in the index: ${locator}`);
  return { blocks: blocks.size, collections: ledger.collections.length, listed: listed.length, lost };
}

/** Something to start from, while nothing is broken. */
export async function stockUp(url: string, random: Random, ledger: Ledger): Promise<void> {
  for (let i = 0; i < 40; i++) await actOnce(url, random, ledger);
}
