import { createReadStream, existsSync } from 'node:fs';
import { isKeepError } from '../../keep/errors.ts';
import { bareLocator } from '../../keep/locator.ts';
import type { Chunks } from '../../keep/manifest/line-tokens.ts';
import { normalise } from '../../keep/manifest/normalise.ts';
import { parseManifest } from '../../keep/manifest/parse.ts';
import { portableDataHash } from '../../keep/manifest/portable-data-hash.ts';
import { rewriteLocators } from '../../keep/manifest/rewrite.ts';
import { STORE_RULES } from '../../keep/manifest/rules.ts';
import { CliError } from '../cli-error.ts';
import { parseAddress } from '../collection.ts';
import type { Command, Given } from '../command.ts';
import { FEW_RETRIES, quickRetryPolicy } from '../retries.ts';
import { openSession } from '../session.ts';
import { note, plain, print } from '../terminal.ts';

export const manifest: Command = {
  name: 'manifest',
  summary: 'print a manifest, its normal form or its portable data hash',
  usage: 'FILE|COLLECTION|- [options]',
  forms: { '': [1, 1], '--check': [1, 1] },
  completes: 'files',
  options: {
    normalise: {
      value: null,
      short: 'n',
      forms: [''],
      help: 'in normal form: streams and files in order, segments joined',
    },
    strip: { value: null, short: 's', forms: [''], help: 'without signatures and other hints' },
    pdh: { value: null, forms: [''], help: 'only the portable data hash (of the normal form, with --normalise)' },
    check: { value: null, help: 'print nothing; say whether an API server would take it' },
    retries: FEW_RETRIES,
  },
  help: `
- reads standard input. The portable data hash does not depend on signatures, but on the order and the spelling of the
text: two spellings of the same files have two hashes.`,
  run: runManifest,
};

async function runManifest(given: Given): Promise<number> {
  const [source = ''] = given.arguments;
  try {
    let chunks = await open(source, given);
    if (given.form === '--check') {
      await parseManifest(chunks, {}, STORE_RULES);
      note('The manifest is valid.');
      return 0;
    }
    if (given.has('strip') || given.has('pdh')) chunks = rewriteLocators(chunks, bareLocator);
    if (given.has('normalise')) chunks = normalise(chunks);
    if (given.has('pdh')) print(await portableDataHash(chunks));
    else for await (const chunk of forReader(chunks)) if (!process.stdout.write(chunk)) await drained();
    return 0;
  } catch (error) {
    if (isKeepError(error)) throw new CliError(error.message);
    throw error;
  }
}

async function open(source: string, given: Given): Promise<Chunks> {
  if (source === '-') return process.stdin;
  if (existsSync(source)) return createReadStream(source);
  const session = openSession({ retry: quickRetryPolicy(given) });
  try {
    const { id } = parseAddress(source);
    const record = await session.api(`arvados/v1/collections/${encodeURIComponent(id)}`);
    return [new TextEncoder().encode(String(record.manifest_text ?? ''))];
  } finally {
    session.close();
  }
}

/** Programs get the bytes as they are; on a terminal, control characters are escaped. */
async function* forReader(chunks: Chunks): AsyncGenerator<Uint8Array | string> {
  const decoder = process.stdout.isTTY ? new TextDecoder() : null;
  for await (const chunk of chunks) yield decoder === null ? chunk : plain(decoder.decode(chunk, { stream: true }));
}

function drained(): Promise<void> {
  return new Promise((resolve) => process.stdout.once('drain', resolve));
}
