import { formatDrsId } from '../../keep/drs-id.ts';
import { ApiError } from '../api-client.ts';
import { CliError } from '../cli-error.ts';
import { parseAddress } from '../collection.ts';
import type { Command, Given } from '../command.ts';
import { FEW_RETRIES, quickRetryPolicy } from '../retries.ts';
import { openSession } from '../session.ts';
import { print, showName } from '../terminal.ts';

export const drs: Command = {
  name: 'drs',
  summary: 'the GA4GH DRS id of a file, a directory or a collection',
  usage: 'COLLECTION[/PATH] [options]',
  forms: { '': [1, 1] },
  options: {
    json: { value: null, help: 'the whole DRS object' },
    retries: FEW_RETRIES,
  },
  help: `
The id names the content as it is now: another content has another id. PATH of a directory ends with a slash.

  keep-edge drs xedge-4zz18-0123456789abcde/data/reads.bam
  keep-edge drs xedge-4zz18-0123456789abcde/data/reads.bam --json`,
  run: runDrs,
};

async function runDrs(given: Given): Promise<number> {
  const [address = ''] = given.arguments;
  const session = openSession({ retry: quickRetryPolicy(given) });
  try {
    const { id, path } = parseAddress(address);
    const query = { select: ['portable_data_hash'] };
    const record = await session.api(`arvados/v1/collections/${encodeURIComponent(id)}`, { query });
    const isDirectory = path === '' || address.endsWith('/');
    const drsId = formatDrsId({ portableDataHash: String(record.portable_data_hash), path, isDirectory });
    const object = await session.api(`ga4gh/drs/v1/objects/${drsId}`).catch((error: unknown) => {
      if (!(error instanceof ApiError) || error.status !== 404) throw error;
      throw new CliError(`${showName(address)} is not there. A directory is named with a slash at its end.`);
    });
    if (given.has('json')) print(JSON.stringify(object, null, 2));
    else print(`${drsId}\n${String(object.self_uri)}`);
    return 0;
  } finally {
    session.close();
  }
}
