import type { Api, Row } from './api-client.ts';
import { CliError } from './cli-error.ts';

const PAGE = 1000;

/** All records of a list, a page at a time, in the order of UUIDs. @param query filters, select and the like @throws CliError */
export async function* allRecords(
  api: Api,
  resource: string,
  query: Record<string, unknown> = {},
): AsyncGenerator<Row, void, undefined> {
  const own = (query.filters ?? []) as unknown[];
  for (let after = ''; ; ) {
    const filters = [...own, ...(after === '' ? [] : [['uuid', '>', after]])];
    const page = await api(`arvados/v1/${resource}`, {
      query: { limit: PAGE, count: 'none', order: ['uuid'], ...query, filters },
    });
    const items = (page.items ?? []) as Row[];
    yield* items;
    const last = items.at(-1);
    if (last === undefined) return;
    const { uuid } = last;
    // A server that passes over the filter gives the same page for ever.
    if (typeof uuid !== 'string' || uuid === after)
      throw new CliError(
        `The answer to arvados/v1/${resource} is no list by UUID: is ARVADOS_API_HOST an Arvados API server?`,
      );
    after = uuid;
  }
}

export async function listAll(api: Api, resource: string, query: Record<string, unknown> = {}): Promise<Row[]> {
  const rows: Row[] = [];
  for await (const row of allRecords(api, resource, query)) rows.push(row);
  return rows;
}
