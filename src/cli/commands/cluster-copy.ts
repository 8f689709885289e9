import { plural } from '../../keep/human-format.ts';
import { exportCluster } from '../cluster-copy/export-cluster.ts';
import { importCluster } from '../cluster-copy/import-cluster.ts';
import type { Command, Given } from '../command.ts';
import { RETRIES, retryPolicy } from '../retries.ts';
import { openSession } from '../session.ts';
import { print, printJson } from '../terminal.ts';

export const exportCommand: Command = {
  name: 'export',
  summary: 'users, projects, permissions and collections with their blocks, into a directory',
  usage: 'DIRECTORY',
  forms: { '': [1, 1] },
  completes: 'files',
  options: {
    jobs: { value: 'N', short: 'j', help: 'blocks at once (4)' },
    quiet: { value: null, short: 'q', help: 'no progress' },
    json: { value: null, help: 'the result as JSON' },
    retries: RETRIES,
  },
  help: `
Everything that your token may read: use an admin's for a whole cluster. Repeat it after an interruption, or to add what is
new: blocks that are there are not fetched again. Tokens are not exported. The directory holds everything in the clear.

Exit code 1 when a collection could not be exported.`,
  run: (given) => runCopy(given, 'export'),
};

export const importCommand: Command = {
  name: 'import',
  summary: 'make what an export holds, here',
  usage: 'DIRECTORY',
  forms: { '': [1, 1] },
  completes: 'files',
  options: { json: { value: null, help: 'the result as JSON' }, retries: RETRIES },
  help: `
Needs an admin's token. Users are found by their names, or made; everything else is made with new UUIDs (portable data
hashes stay). What was made is noted in the directory: after an interruption the same command goes on, and a second import
makes only what the export has got since. The service checks every block.

Exit code 1 when something could not be imported.`,
  run: (given) => runCopy(given, 'import'),
};

async function runCopy(given: Given, verb: 'export' | 'import'): Promise<number> {
  const [directory = ''] = given.arguments;
  const session = openSession({ retry: retryPolicy(given) });
  try {
    const result =
      verb === 'export'
        ? await exportCluster(session, directory, { jobs: given.count('jobs') ?? 4, quiet: given.has('quiet') })
        : await importCluster(session, directory);
    if (given.has('json')) printJson(result);
    else {
      const { failed, ...counts } = result;
      const words = Object.entries(counts).map(([name, count]) => `${count.toLocaleString('en-US')} ${name}`);
      print(`${words.join(', ')}${failed === 0 ? '' : `; ${plural(failed, 'failure')}, see above`}.`);
    }
    return result.failed === 0 ? 0 : 1;
  } finally {
    session.close();
  }
}
