import { once } from 'node:events';
import { nameBytes } from '../../keep/manifest/names.ts';
import type { Api } from '../api-client.ts';
import { CliError } from '../cli-error.ts';
import { type CollectionAddress, loadManifest, parseAddress } from '../collection.ts';
import type { Command, Given } from '../command.ts';
import { type Listed, listedAt, listedBelow, listManifest } from '../listing.ts';
import { FEW_RETRIES, quickRetryPolicy } from '../retries.ts';
import { openSession } from '../session.ts';
import { jsonLine, showName } from '../terminal.ts';
import { isOwner, type OwnedRecord, ownedBy, ownedLine } from './ls-owner.ts';

export const ls: Command = {
  name: 'ls',
  summary: 'list projects and collections, or the files of a collection',
  usage: '[PROJECT|COLLECTION[/PATH]] [options]',
  forms: { '': [0, 1], '--json': [0, 1] },
  options: {
    long: {
      value: null,
      short: 'l',
      help: 'also sizes: of files in bytes; for collections also the\nnumber of files and the time of the last change',
    },
    json: { value: null, help: 'one JSON object a line' },
    null: { value: null, short: '0', forms: [''], help: 'end names with a zero byte, and show them as they are' },
    retries: FEW_RETRIES,
  },
  help: `
Without an argument: your projects and collections; with the UUID of a project or user, what is in it. With a
collection, every file below PATH. Names that would confuse a terminal are quoted as in JSON; bytes that are not UTF-8 are
shown as \\udc80 to \\udcff. Empty directories end with a slash.`,
  run: runLs,
};

const WRITE_CHARS = 65_536;
const SIZE_COLUMNS = 15;

async function runLs(given: Given): Promise<number> {
  const [source] = given.arguments;
  const address = source === undefined || isOwner(source) ? null : parseAddress(source);
  const session = openSession({ retry: quickRetryPolicy(given) });
  try {
    if (address === null) await writeAll(ownedLines(ownedBy(session.api, source ?? null), given));
    else await writeAll(await fileLines(session.api, address, given));
    return 0;
  } finally {
    session.close();
  }
}

async function* ownedLines(records: AsyncIterable<OwnedRecord>, given: Given): AsyncGenerator<string> {
  const shape = { json: given.form === '--json', long: given.has('long') };
  const end = !shape.json && given.has('null') ? '\0' : '\n';
  for await (const record of records) yield `${ownedLine(record, shape)}${end}`;
}

async function fileLines(api: Api, { id, path }: CollectionAddress, given: Given): Promise<Iterable<string>> {
  const { manifest } = await loadManifest(api, id);
  const found = listedAt(listManifest(manifest), path);
  if (found === undefined) throw new CliError(`The collection has no ${showName(path)}.`);
  const listed = typeof found === 'number' ? [{ path, size: found, isEmpty: false }] : listedBelow(found);
  const line = lineFor(given);
  return (function* () {
    for (const each of listed) yield line(each);
  })();
}

async function writeAll(lines: AsyncIterable<string> | Iterable<string>): Promise<void> {
  let text = '';
  for await (const line of lines) {
    text += line;
    if (text.length < WRITE_CHARS) continue;
    await write(text);
    text = '';
  }
  await write(text);
}

/** How an entry is printed; '' for directories that their files show. */
function lineFor(given: Given): (listed: Listed) => string {
  if (given.form === '--json') return ({ path, size }) => `${jsonLine(size === null ? { path } : { path, size })}\n`;
  const asTheyAre = given.has('null');
  const isLong = given.has('long');
  return ({ path, size, isEmpty }) => {
    if (size === null && !isEmpty) return '';
    const before = isLong ? `${String(size ?? '-').padStart(SIZE_COLUMNS)} ` : '';
    const slash = size === null ? '/' : '';
    return asTheyAre ? `${before}${path}${slash}\0` : `${before}${showName(path)}${slash}\n`;
  };
}

async function write(text: string): Promise<void> {
  if (text !== '' && !process.stdout.write(nameBytes(text))) await once(process.stdout, 'drain');
}
