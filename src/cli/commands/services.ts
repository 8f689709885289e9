import type { Command, Given } from '../command.ts';
import { FEW_RETRIES, quickRetryPolicy } from '../retries.ts';
import { openSession } from '../session.ts';
import { printJson, printRow } from '../terminal.ts';

export const services: Command = {
  name: 'services',
  summary: 'list the Keep services that are used',
  usage: '[options]',
  forms: { '': [0, 0] },
  options: { json: { value: null, help: 'records as JSON' }, retries: FEW_RETRIES },
  help: 'What the API server lists for you, or what ARVADOS_KEEP_SERVICES says.',
  run: runServices,
};

async function runServices(given: Given): Promise<number> {
  const session = openSession({ retry: quickRetryPolicy(given) });
  try {
    for (const service of await session.services.list()) {
      const { uuid, type, readOnly, url } = service;
      if (given.has('json')) printJson(service);
      else printRow([uuid, type, readOnly ? 'read-only' : 'writable', url]);
    }
    return 0;
  } finally {
    session.close();
  }
}
