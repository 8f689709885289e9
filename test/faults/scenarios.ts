import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ROOT } from '../../dev/serve.ts';
import { createRandom, type Random } from '../fuzz/random.ts';
import { createS3Bucket, s3Secrets, s3Server, s3Volume } from '../support/s3.ts';
import { type Fault, startS3Proxy } from '../support/s3-proxy.ts';
import { startService, type TestService } from '../support/service.ts';
import { S3_VOLUME } from '../support/volumes.ts';
import { type Balance, type BalanceTally, startBalance } from './balance.ts';
import { startGateway } from './gateway.ts';
import { type Act, type Audit, actOnce, audit, createLedger, type Ledger, stockUp, TTL_SECONDS } from './ledger.ts';

export interface ScenarioOptions {
  seed: number;
  /** Kills, or rounds of faults. */
  rounds: number;
  /** Clients at once. */
  width: number;
  /** Of one round. */
  roundMs: number;
  onProgress?: (line: string) => void;
}

export interface ScenarioResult {
  name: string;
  seed: number;
  rounds: number;
  /** By kind. */
  faults: Record<string, number>;
  requests: number;
  refused: Record<string, number>;
  findings: string[];
  /** Pull and trash lists, and what became of the blocks on them. */
  balance: BalanceTally;
  audit: Audit;
}

const VARS = { EDGE_CACHE: false, BLOB_SIGNING_TTL: `${TTL_SECONDS}s` };

interface Crowd {
  seed: number;
  width: number;
  ledger: Ledger;
  balance: Balance;
  extras?: Act[];
}

/** Clients that act, and one that puts lists, until they are told to stop. */
function clients(service: TestService, { seed, width, ledger, balance, extras = [] }: Crowd) {
  let stopped = false;
  const lane = async (number: number) => {
    const random = createRandom(seed + number * 7919);
    while (!stopped) await actOnce(service.url, random, ledger, extras);
  };
  const lists = async () => {
    while (!stopped) await balance.putLists().catch((error) => void ledger.findings.push(String(error)));
  };
  const lanes = Promise.all([lists(), ...Array.from({ length: width }, (_, number) => lane(number))]);
  return async () => {
    stopped = true;
    await lanes;
  };
}

/**
 * SIGKILL to the service and its runtime at random points under load, then a start on the same state, over and over.
 * After each start both queues must go on to their end.
 */
export async function killedAtRandom(options: ScenarioOptions): Promise<ScenarioResult> {
  const { seed, rounds, width, roundMs, onProgress } = options;
  const random = createRandom(seed);
  const ledger = createLedger();
  await using service = await startService({ vars: VARS });
  const balance = await startBalance(service, createRandom(seed + 1), ledger, { isStrict: true });
  try {
    await balance.putLists();
    for (let round = 1; round <= rounds; round++) {
      const stop = clients(service, { seed: seed + round, width, ledger, balance });
      await sleep(random.below(roundMs) + 20);
      await service.kill();
      await stop();
      await service.restart();
      await balance.settle();
      onProgress?.(
        `kill ${round} of ${rounds}: ${ledger.blocks.length} blocks, ${ledger.collections.length} collections, ${JSON.stringify(balance.tally)}`,
      );
    }
    const faults = { 'SIGKILL under load': rounds };
    return await summary('killed at random points', options, faults, ledger, balance, service);
  } finally {
    await balance.stop();
  }
}

/** Operations of bindings that throw before or after they took effect; each also unavailable altogether for a while. */
export async function failingBindings(options: ScenarioOptions): Promise<ScenarioResult> {
  const { seed, rounds, width, roundMs, onProgress } = options;
  const directory = await mkdtemp(join(tmpdir(), 'keep-edge-faults-'));
  const configFile = join(directory, 'wrangler.toml');
  const toml = await readFile(join(ROOT, 'wrangler.toml'), 'utf8');
  await writeFile(configFile, toml.replace('main = "src/worker.ts"', 'main = "test/faults/fixtures/faulty-worker.ts"'));
  const ledger = createLedger();
  try {
    await using service = await startService({
      configFile,
      vars: { ...VARS, EDGE_CACHE: true, TOKEN_CACHE_TTL: '0s' },
    });
    const set = async (rates: Record<string, number>, round: number) => {
      const body = JSON.stringify({ seed: seed + round, rates });
      const answer = await fetch(`${service.url}/__faults`, { method: 'PUT', body });
      return (await answer.json()) as Record<string, number>;
    };
    const gateway = await startGateway(service.url);
    const balance = await startBalance(service, createRandom(seed + 1), ledger, { isStrict: false });
    try {
      await stockUp(service.url, createRandom(seed), ledger);
      await balance.putLists();
      for (let round = 0; round < rounds; round++) {
        const rates = RATES[round % RATES.length] ?? {};
        await set(rates, round);
        const stop = clients(service, { seed: seed + round, width, ledger, balance, extras: gateway.acts });
        await sleep(roundMs);
        await stop();
        await set({}, round);
        await balance.settle();
        onProgress?.(`round ${round + 1} of ${rounds}, ${JSON.stringify(rates)}: ${ledger.requests} requests`);
      }
      await gateway.audit(service.url, ledger);
      const faults = await set({}, rounds);
      return await summary('bindings that fail', options, faults, ledger, balance, service);
    } finally {
      await Promise.all([gateway.stop(), balance.stop()]);
    }
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** Shares of operations that fail, round by round. The cache is often gone, so that R2 is asked. */
const RATES: Record<string, number>[] = [
  { R2: 0.05, CACHE: 1 },
  { R2: 0.3, CACHE: 0.3 },
  { D1: 0.1, KV: 0.3, MANIFESTS: 0.3 },
  { R2: 0.1, D1: 0.1, KV: 0.1, DO: 0.3, CACHE: 0.5 },
  { D1: 1 },
  { KV: 1 },
  { DO: 1 },
  { MANIFESTS: 1 },
  { R2: 1, CACHE: 1 },
];

/** An S3 server that is broken in every way a proxy can break it, at random. */
export async function brokenS3(options: ScenarioOptions): Promise<ScenarioResult> {
  const { seed, rounds, width, roundMs, onProgress } = options;
  const server = s3Server();
  if (server === null) throw new Error('no S3 server: run under test/support/s3/with-s3');
  const bucket = await createS3Bucket(server);
  const proxy = await startS3Proxy(server);
  const random = createRandom(seed);
  const counts: Record<string, number> = {};
  const ledger = createLedger();
  let balance: Balance | undefined;
  try {
    await using service = await startService({
      vars: {
        ...VARS,
        ...s3Secrets(bucket),
        VOLUMES: { [S3_VOLUME]: s3Volume(proxy.through(bucket)) },
        VERIFY_READS: 'always',
      },
    });
    balance = await startBalance(service, createRandom(seed + 1), ledger, { isStrict: false, mount: S3_VOLUME });
    await stockUp(service.url, random, ledger);
    for (let round = 0; round < rounds; round++) {
      const oneIn = random.pick([3, 8, 20]);
      proxy.fault = ({ method, url, headers }) => {
        if (!random.oneIn(oneIn)) return undefined;
        const [name, fault] = s3Fault(random, method, {
          isCopy: headers['x-amz-copy-source'] !== undefined,
          isListing: url.includes('list-type=2'),
        });
        counts[name] = (counts[name] ?? 0) + 1;
        return fault;
      };
      const stop = clients(service, { seed: seed + round, width, ledger, balance });
      await sleep(roundMs);
      await stop();
      proxy.seen.length = 0;
      proxy.fault = () => undefined;
      await balance.settle();
      onProgress?.(`round ${round + 1} of ${rounds}, one in ${oneIn}: ${ledger.requests} requests`);
    }
    return await summary('an S3 server that is broken', options, counts, ledger, balance, service);
  } finally {
    await balance?.stop();
    await proxy[Symbol.asyncDispose]();
  }
}

function s3Fault(
  random: Random,
  method: string,
  { isCopy, isListing }: { isCopy: boolean; isListing: boolean },
): [string, Fault] {
  const error = (code: string) => `<?xml version="1.0"?><Error><Code>${code}</Code></Error>`;
  const kinds: [string, Fault][] = [
    ['resets', { hangUp: true }],
    ['500 InternalError', { status: 500, body: error('InternalError') }],
    ['503 SlowDown', { status: 503, body: error('SlowDown') }],
    ['stalls, then resets', { stallMs: 500 + random.below(1500), hangsUp: true }],
    ['stalls, then goes on', { stallMs: 500 + random.below(1500), hangsUp: false }],
    ['does it, but its answer is lost', { lieAfterwards: { status: 500, body: error('InternalError') } }],
  ];
  if (method === 'GET') {
    kinds.push(['truncates', { cutAnswerAfter: 1 + random.below(100_000) }]);
    // Nothing vouches for a listing but the connection: only what is stored can be found to be wrong.
    if (!isListing) kinds.push(['flips a bit', { flipBitAt: random.below(1000) }]);
  }
  if (isCopy) kinds.push(['200 with an error body', { status: 200, body: error('InternalError') }]);
  return random.pick(kinds);
}

async function summary(
  name: string,
  { seed, rounds }: ScenarioOptions,
  faults: Record<string, number>,
  ledger: Ledger,
  balance: Balance,
  service: TestService,
): Promise<ScenarioResult> {
  const { requests, refused, findings } = ledger;
  const secrets = service.logs.filter((line) => {
    const text = JSON.stringify(line);
    return text.includes(service.rootToken) || /[0-9a-f]{40}@[0-9a-f]{8}/.test(text);
  });
  // Every bare 500 is one finding already; why is in the log.
  const reasons = service.logs.map((line) =>
    typeof line === 'object' && line.respStatusCode === 500 ? line.error : null,
  );
  for (const reason of new Set(reasons.filter((text) => text !== null)))
    findings.push(`a 500 was caused by: ${reason}`);
  for (const line of secrets.slice(0, 5)) findings.push(`a secret in the log: ${JSON.stringify(line).slice(0, 300)}`);
  const { tally } = balance;
  const audited = await audit(service.url, ledger);
  return { name, seed, rounds, faults, requests, refused, findings, balance: tally, audit: audited };
}
