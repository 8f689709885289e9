import { once } from 'node:events';
import { nameBytes } from '../../keep/manifest/names.ts';
import { CliError, usageError } from '../cli-error.ts';
import { loadManifest, parseAddress } from '../collection.ts';
import type { Command, Given } from '../command.ts';
import { type Listed, listedAt, listedBelow, listManifest } from '../listing.ts';
import { FEW_RETRIES, quickRetryPolicy } from '../retries.ts';
import { openSession } from '../session.ts';
import { jsonLine, showName } from '../terminal.ts';

export const ls: Command = {
  name: 'ls',
  summary: 'list the files of a collection',
  usage: 'COLLECTION[/PATH] [options]',
  options: {
    long: { value: null, short: 'l', help: 'sizes in bytes before the names' },
    json: { value: null, help: 'one JSON object a line: path, size, and for directories no size' },
    null: { value: null, short: '0', help: 'end names with a zero byte, and show them as they are' },
    retries: FEW_RETRIES,
  },
  help: `
Lists every file below PATH. Names that would confuse a terminal are quoted as in JSON; bytes that are not UTF-8 are
shown as \\udc80 to \\udcff. Empty directories end with a slash.`,
  run: runLs,
};

const WRITE_CHARS = 65_536;
const SIZE_COLUMNS = 15;

async function runLs(given: Given): Promise<number> {
  const [source, ...more] = given.arguments;
  if (source === undefined || more.length > 0) throw usageError('One collection, please. See: keep-edge ls --help');
  const { id, path } = parseAddress(source);
  const session = openSession({ retry: quickRetryPolicy(given) });
  try {
    const { manifest } = await loadManifest(session.api, id);
    const found = listedAt(listManifest(manifest), path);
    if (found === undefined) throw new CliError(`The collection has no ${showName(path)}.`);
    const listed = typeof found === 'number' ? [{ path, size: found, isEmpty: false }] : listedBelow(found);
    const line = lineFor(given);
    let text = '';
    for (const each of listed) {
      text += line(each);
      if (text.length < WRITE_CHARS) continue;
      await write(text);
      text = '';
    }
    await write(text);
    return 0;
  } finally {
    session.close();
  }
}

/** How an entry is printed; '' for directories that their files show. */
function lineFor(given: Given): (listed: Listed) => string {
  if (given.has('json')) return ({ path, size }) => `${jsonLine(size === null ? { path } : { path, size })}\n`;
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
