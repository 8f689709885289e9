import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import type { Cli } from './cli.ts';
import type { TestService } from './service.ts';

/** Blocks that the service has accepted, with how often: from its log. */
export function accepted(service: TestService): Map<string, number> {
  const counts = new Map<string, number>();
  for (const line of service.logs) {
    if (typeof line === 'string' || line.reqMethod !== 'PUT' || line.respStatusCode !== 200) continue;
    const [hash] = /[0-9a-f]{32}$/.exec(String(line.reqPath)) ?? [];
    if (hash !== undefined) counts.set(hash, (counts.get(hash) ?? 0) + 1);
  }
  return counts;
}

/** Blocks that the command line has on record as acknowledged. */
export async function acknowledged({ home }: Pick<Cli, 'home'>): Promise<Set<string>> {
  const directory = join(home, '.cache/keep-edge/put');
  const hashes = new Set<string>();
  for (const file of await readdir(directory).catch(() => [])) {
    if (!file.endsWith('.log')) continue;
    const text = await readFile(join(directory, file), 'latin1');
    for (const [, hash = ''] of text.matchAll(/^\{"block":"([0-9a-f]{32})\+\d+\+A[^"]*".*\}\n/gm)) hashes.add(hash);
  }
  return hashes;
}

const SETTLE_MS = 300;

/** Finds blocks that the service got again although they had been acknowledged. */
export interface UploadLedger {
  /** To be called when nothing more is being sent, for a moment at least: compares with what was known at the last look. */
  look(): Promise<void>;
  /** Acknowledged at the last look. */
  known: ReadonlySet<string>;
  readonly sentAgain: readonly string[];
}

export function uploadLedger(service: TestService, cli: Pick<Cli, 'home'>): UploadLedger {
  const sentAgain: string[] = [];
  let before = new Map<string, number>();
  const ledger: UploadLedger = {
    known: new Set(),
    sentAgain,
    async look() {
      // What was on its way arrives, or breaks off, and is logged.
      await setTimeout(SETTLE_MS);
      await service.allLogged();
      const now = accepted(service);
      for (const hash of ledger.known) if ((now.get(hash) ?? 0) > (before.get(hash) ?? 0)) sentAgain.push(hash);
      before = now;
      ledger.known = await acknowledged(cli);
    },
  };
  return ledger;
}
