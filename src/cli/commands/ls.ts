import { usageError } from '../cli-error.ts';
import { entryAt, fileSize, filesBelow, loadCollection, parseAddress } from '../collection.ts';
import type { Command, Given } from '../command.ts';
import { openSession } from '../session.ts';
import { showName } from '../terminal.ts';

export const ls: Command = {
  name: 'ls',
  summary: 'list the files of a collection',
  usage: 'COLLECTION[/PATH] [options]',
  options: {
    long: { value: null, short: 'l', help: 'sizes in bytes before the names' },
    json: { value: null, help: 'one JSON object a line: path, size, and for directories no size' },
    null: { value: null, short: '0', help: 'end names with a zero byte, and show them as they are' },
  },
  help: `
Lists every file below PATH. Names that would confuse a terminal are quoted as in JSON; empty directories end with a
slash.`,
  run: runLs,
};

async function runLs(given: Given): Promise<number> {
  const [source, ...more] = given.arguments;
  if (source === undefined || more.length > 0) throw usageError('One collection, please. See: keep-edge ls --help');
  const { id, path } = parseAddress(source);
  const session = openSession();
  try {
    const entry = entryAt((await loadCollection(session.api, id)).tree, path);
    const tree = entry.kind === 'directory' ? entry : { kind: 'directory' as const, entries: new Map([['', entry]]) };
    const lines: string[] = [];
    for (const { path: below, file } of filesBelow(tree)) {
      const name = entry.kind === 'file' ? path : below;
      if (given.has('json'))
        lines.push(JSON.stringify(file === null ? { path: name } : { path: name, size: fileSize(file) }));
      else if (file !== null || isEmpty(entryAt(tree, below))) {
        const shown = given.has('null') ? name : showName(name);
        const size = given.has('long') ? `${String(file === null ? '-' : fileSize(file)).padStart(15)} ` : '';
        lines.push(`${size}${shown}${file === null ? '/' : ''}`);
      }
    }
    const end = given.has('null') && !given.has('json') ? '\0' : '\n';
    process.stdout.write(lines.map((line) => `${line}${end}`).join(''));
    return 0;
  } finally {
    session.close();
  }
}

function isEmpty(entry: ReturnType<typeof entryAt>): boolean {
  return entry.kind === 'directory' && entry.entries.size === 0;
}
